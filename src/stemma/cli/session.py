"""What holds for one invocation: where the repository is, how to print, and the three streams of print.

Data go to standard output, everything else to standard error; with `--json` standard output holds one JSON document.
"""

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click
import msgspec

from stemma import cli
from stemma.cli.streams import tell, write
from stemma.cli.text import safe
from stemma.errors import StemmaError
from stemma.settings import REPOSITORY_FOLDER, Settings, find_repository, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

# JSON leaves these as they are, and a terminal would obey them: C1 controls, direction marks, invisible characters.
_OBEYED = re.compile("[\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


@dataclass(slots=True)
class Session:
    """One invocation; the common options write into it while the command line is read."""

    repo: str | None = None
    json: bool = False
    quiet: bool = False
    debug: bool = False
    color: str | None = None
    _settings: Settings | None = field(default=None, repr=False)

    @property
    def settings(self) -> Settings:
        """The settings, with the command line's on top and the repository's if there is one here."""
        if self._settings is None:
            root = self.root
            self._settings = load_settings(repository=root, flags=self.flags)
        return self._settings

    @property
    def flags(self) -> dict[str, str | None]:
        """The settings that the command line gives."""
        return {"repo": self.repo, "color": self.color}

    @property
    def root(self) -> Path | None:
        """The folder that holds `.stemma`, or None where there is none here or the repository is on a server."""
        where = load_settings(flags=self.flags).text("repo")
        if where is None:
            return find_repository(Path.cwd())
        folder = Path(where)
        return folder if "://" not in where and (folder / REPOSITORY_FOLDER).is_dir() else None

    def colored(self, stream: TextIO) -> bool:
        """Whether colours may go to `stream`; unreadable settings mean what `auto` means."""
        try:
            choice = self.settings.text("color")
        except StemmaError:
            choice = "auto"
        return stream.isatty() if choice == "auto" else choice == "always"

    def answer(self, view: msgspec.Struct, draw: "Callable[[], RenderableType]") -> None:
        """Print the answer of a command: `view` as JSON if that was asked for, else what `draw` returns."""
        if self.json:
            self.emit(view)
        else:
            write(cli.drawing.render(draw(), sys.stdout, colored=self.colored(sys.stdout)))

    def emit(self, view: msgspec.Struct) -> None:
        """Print `view` as the one JSON document on standard output."""
        text = msgspec.json.format(msgspec.json.encode(view, enc_hook=_plain), indent=2).decode()
        write(_OBEYED.sub(lambda match: f"\\u{ord(match[0]):04x}", text) + "\n")

    def line(self, text: str, *, bold: bool = False) -> None:
        """Print one line of data, which must be safe."""
        write(click.style(text, bold=True) + "\n" if bold and self.colored(sys.stdout) else text + "\n")

    def note(self, text: str) -> None:
        """Tell a person something beside the data; programs and `--quiet` are spared."""
        if not self.quiet and not self.json:
            tell(text)

    def warn(self, text: str) -> None:
        """Warn of something that came out differently than a person may think; `text` need not be safe."""
        if not self.json:
            label = click.style("warning:", fg="yellow", bold=True) if self.colored(sys.stderr) else "warning:"
            tell(f"{label} {safe(text)}")


def _plain(value: object) -> str:
    """Return digests and other kinds of text as the text that they are."""
    if isinstance(value, str):
        return str.__str__(value)
    raise NotImplementedError(f"a view holds a {type(value).__name__}")


pass_session = click.make_pass_decorator(Session)
