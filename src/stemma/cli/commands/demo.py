"""`stemma demo`."""

import io
import shlex
import sys
from collections.abc import Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

import click

from stemma import cli
from stemma.cli.grouping import command
from stemma.cli.session import Session, pass_session
from stemma.cli.text import safe
from stemma.demo.story import Story, run

_WIDTH = 96
_OPENS = (" -m", " --metric")  # stay on a line with what follows


@command("demo", "stemma demo", "stemma demo ~/stemma-demo", prints=Story)
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@pass_session
def demo(session: Session, folder: Path | None) -> None:
    """Tell Stemma's story on real data.

    Trains three models on 1,989 real loan applications, versions them, moves production and brings it back, and
    proves that a copy was tampered with. Leaves a repository to explore. Takes less than a minute.
    """
    story = run(folder, Terminal(session))
    if session.json:
        session.emit(story)


class Terminal:
    """The story on standard output, with its commands run in this process; with `--json` all of it is silent."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def heading(self, text: str) -> None:
        """Print the title of a chapter."""
        if not self._session.json:
            self._session.line(safe(text), bold=True)
            self._session.line("")

    def line(self, text: str) -> None:
        """Print a line."""
        if not self._session.json:
            self._session.line(safe(text))

    def run(self, folder: Path, arguments: Sequence[str]) -> int:
        """Run a command as if it was typed in `folder`, whatever repository the environment names."""
        line = ["--repo", str(folder), *arguments]
        if self._session.color:
            line = ["--color", self._session.color, *line]
        if self._session.json:
            with chdir(folder), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                return _run(line)
        self._session.line(shown(arguments), bold=True)
        with chdir(folder), redirect_stderr(sys.stdout):
            code = _run(line)
        self._session.line("")
        return code


def shown(arguments: Sequence[str]) -> str:
    """Return a command line as it can be pasted, broken where it is long."""
    lines = ["$ stemma"]
    for word in map(safe, map(shlex.quote, arguments)):
        if len(lines[-1]) + 1 + len(word) > _WIDTH and not lines[-1].endswith(_OPENS):
            lines.append(f"   {word}")
        else:
            lines[-1] += f" {word}"
    return " \\\n".join(lines)


def _run(arguments: list[str]) -> int:
    try:
        cli.program.main(arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    return 0
