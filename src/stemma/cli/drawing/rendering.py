"""What is drawn becomes text for one stream: as wide as its terminal, in its encoding, with colours or without."""

import io
import shutil
from typing import TextIO

from rich.console import Console, RenderableType

_ENDLESS = 100_000  # columns where there is no terminal to be narrow
_PLAIN = str.maketrans(
    {"●": "*", "├": "|", "└": "`", "│": "|", "─": "-", "↳": ">", "←": "<", "→": ">", "…": "~", "·": "-", "×": "x"}
)


def render(drawn: RenderableType, stream: TextIO, *, colored: bool) -> str:
    """Return `drawn` as text with a newline at its end; lines have no blanks at their ends where it is not coloured."""
    width = shutil.get_terminal_size().columns if stream.isatty() else _ENDLESS
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=colored,
        color_system="standard" if colored else None,
        no_color=not colored,
        markup=False,
        emoji=False,
        highlight=False,
        legacy_windows=False,
    )
    with console.capture() as capture:
        console.print(drawn, soft_wrap=False)
    text = capture.get()
    if not colored:
        text = "".join(f"{line.rstrip(' ')}\n" for line in text.splitlines())
    return text if _can_draw(stream.encoding) else text.translate(_PLAIN)


def _can_draw(encoding: str | None) -> bool:
    try:
        "●├└│─↳←→…·×".encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
