"""The command line: `stemma COMMAND`. This is its loader, the one place of it that imports when something is needed.

Invariants: `stemma --help` imports no command, and nothing that draws; a command's file is imported when it is run.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from stemma.cli.grouping import Family, command_line, given_early
from stemma.cli.problems import report
from stemma.cli.session import Session
from stemma.cli.streams import finish, prepare_streams, settle, write

if TYPE_CHECKING:
    from types import ModuleType

    from stemma.cli import drawing as drawing  # loaded by __getattr__

PROGRAM = "stemma"
_LOADED = {"drawing": "stemma.cli.drawing"}


class Line(NamedTuple):
    """How a command stands in `stemma --help`."""

    section: str
    help: str


COMMANDS: Mapping[str, Line] = {
    "init": Line("Begin", "Make a folder a repository."),
    "status": Line("Begin", "Say what is here, and one thing to do next."),
    "demo": Line("Begin", "Tell Stemma's story on real data."),
    "push": Line("Versions", "Store a folder as a new version of a model."),
    "pull": Line("Versions", "Write a version's files to a folder, verified."),
    "show": Line("Versions", "Show one version."),
    "ls": Line("Versions", "List models, versions or files."),
    "log": Line("Versions", "Show a model's history: versions and moves, newest first."),
    "tree": Line("Versions", "Draw the family of a model."),
    "lineage": Line("Versions", "Follow what a version came from, or what came from it."),
    "release": Line("Versions", "Give a pre-release its release number."),
    "withdraw": Line("Versions", "Say that a version must not be used any more."),
    "alias": Line("Names", "Point names such as `production` at versions, and back."),
    "branch": Line("Names", "Begin and list lines of work."),
    "label": Line("Names", "Label a version or a model with key=value."),
    "verify": Line("Trust", "Check that every stored byte is what it was."),
    "audit": Line("Trust", "Read, export and prove the log of all changes."),
    "user": Line("People", "Add people and services, and say what they may do."),
    "token": Line("People", "Make, list and revoke the tokens that a server asks for."),
    "namespace": Line("People", "Make namespaces, and see who may do what in them."),
    "login": Line("People", "Keep a token for a server."),
    "logout": Line("People", "Forget the token that was kept for a server."),
    "whoami": Line("People", "Say who you are here, and what you may do."),
    "sync": Line("Upkeep", "Bring a repository up to what another one has."),
    "serve": Line("Upkeep", "Serve this repository over HTTP."),
    "webhook": Line("Upkeep", "Tell other programs of changes."),
    "jobs": Line("Upkeep", "Do by hand what a server does by the clock."),
    "backup": Line("Upkeep", "Keep the state of this repository in another folder."),
    "restore": Line("Upkeep", "Make a repository from a backup."),
    "db": Line("Upkeep", "Check, migrate and rebuild the database."),
    "doctor": Line("Upkeep", "Check this installation and this repository."),
    "config": Line("Upkeep", "Read and change settings."),
    "completion": Line("Upkeep", "Print what makes your shell complete commands."),
}


class Program(Family):
    """`stemma` itself: its commands are files that are loaded by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in the order of the help."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command from its file, or return None where there is none of that name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        found = getattr(import_module(f"stemma.cli.commands.{cmd_name}"), cmd_name)
        if not isinstance(found, click.Command):
            raise TypeError(f"stemma.cli.commands.{cmd_name} holds no command of that name")
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by section, without loading them."""
        del ctx
        width = max(map(len, COMMANDS))
        for section in dict.fromkeys(line.section for line in COMMANDS.values()):
            rows = [(f"{name:<{width}}", line.help) for name, line in COMMANDS.items() if line.section == section]
            with formatter.section(section):
                formatter.write_dl(rows)

    def main(  # type: ignore[override]  # click declares overloads for its two ways to end; this one always exits
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = PROGRAM,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002  # click's signature
        **extra: Any,  # noqa: ANN401  # click's signature
    ) -> None:
        """Run one command line and exit with its code; every error becomes a message and a code here."""
        del standalone_mode
        arguments, name = command_line(args), prog_name or PROGRAM
        session = Session(json=given_early("--json", arguments), debug=given_early("--debug", arguments))
        prepare_streams()
        try:
            self._main_shell_completion({"obj": session}, name, complete_var)
            code = self._run(name, arguments, {"obj": session, **extra})
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # the outermost place: whatever it is, it is told
            code = report(error, session)
            settle()
        raise SystemExit(code)

    def _run(self, name: str, arguments: list[str], extra: dict[str, Any]) -> int:
        code = 0
        try:
            with self.make_context(name, arguments, **extra) as context:
                self.invoke(context)
        except click.exceptions.Exit as end:
            code = end.exit_code
        finish()
        return code


def _print_version(context: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001  # click's signature
    if value and not context.resilient_parsing:
        versions = import_module("importlib.metadata")
        write(f"{PROGRAM} {versions.version('stemma-ml')}\n")
        context.exit()


@click.group(
    PROGRAM,
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    examples=(
        "stemma init",
        "stemma push bank/loans model/ -m 'Baseline: logistic regression'",
        "stemma alias set bank/loans production 1.0.0",
        "stemma pull bank/loans@production model/",
        "stemma tree bank/loans",
    ),
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version."
)
def program() -> None:
    """Keep the family tree of your models: versions, lineage and releases."""


def main() -> None:
    """Run the command line of this process."""
    program.main()


def __getattr__(name: str) -> "ModuleType":
    if name in _LOADED:
        return import_module(_LOADED[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
