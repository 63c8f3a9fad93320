"""How commands are made: options that all of them take, examples in every help, and suggestions for misspelt names."""

import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any, TypeAlias

import click
from msgspec import Struct

from stemma.cli.session import Session

Printed: TypeAlias = type[Struct] | tuple[type[Struct], ...]


def _keep(context: click.Context, parameter: click.Parameter, value: object) -> None:
    """Put a common option into the session; the same option given later on the line wins."""
    session = context.find_object(Session)
    if session is not None and value not in {None, False}:
        setattr(session, parameter.name, value)


def common_options() -> list[click.Option]:
    """Return the options that every command takes, before or after its name."""
    given: dict[str, Any] = {"expose_value": False, "callback": _keep}
    return [
        click.Option(["--repo"], metavar="DIR|URL", help="The repository to use.  [env: STEMMA_REPO]", **given),
        click.Option(["--json"], is_flag=True, help="Print one JSON document.", **given),
        click.Option(["-q", "--quiet"], is_flag=True, help="No notes and no progress on standard error.", **given),
        click.Option(
            ["--color"],
            type=click.Choice(["auto", "always", "never"]),
            help="Use colours, or not; auto means on a terminal.",
            **given,
        ),
        click.Option(["--debug"], is_flag=True, help="Show tracebacks of errors.", **given),
    ]


class _Helped:
    """Help in one shape: usage, text, arguments and options, common options, examples."""

    params: list[click.Parameter]
    examples: Sequence[str]
    common: list[click.Option]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        own = [p.get_help_record(ctx) for p in self.params if isinstance(p, click.Option) and p not in self.common]
        own.append(_help_record(ctx))
        _write_section(formatter, "Options", own)
        if isinstance(self, click.Group):
            self.format_commands(ctx, formatter)
        _write_section(formatter, "Common options", [p.get_help_record(ctx) for p in self.common])

    def format_epilog(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':>{formatter.current_indent}}{example}\n")


def _help_record(context: click.Context) -> tuple[str, str] | None:
    option = context.command.get_help_option(context)
    return option.get_help_record(context) if option else None


def _write_section(formatter: click.HelpFormatter, title: str, records: Sequence[tuple[str, str] | None]) -> None:
    rows = [record for record in records if record is not None]
    if rows:
        with formatter.section(title):
            formatter.write_dl(rows)


class Command(_Helped, click.Command):
    """A command with the common options and examples in its help; `prints` is what it prints with `--json`."""

    def __init__(
        self,
        *args: Any,  # noqa: ANN401  # as click
        examples: Sequence[str] = (),
        prints: Printed = (),
        **attributes: Any,  # noqa: ANN401  # as click
    ) -> None:
        super().__init__(*args, **attributes)
        self.examples = examples
        self.prints = prints if isinstance(prints, tuple) else (prints,)
        self.common = common_options()
        self.params = [*self.params, *self.common]


class Family(_Helped, click.Group):
    """A group of commands; an unknown name is answered with names that look alike."""

    command_class = Command

    def __init__(self, *args: Any, examples: Sequence[str] = (), **attributes: Any) -> None:  # noqa: ANN401  # as click
        super().__init__(*args, **attributes)
        self.examples = examples
        self.common = common_options()
        self.params = [*self.params, *self.common]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the first argument names."""
        known = self.list_commands(ctx)
        if args[0] not in known and not args[0].startswith("-") and not ctx.resilient_parsing:
            likely = get_close_matches(args[0], known)
            wish = f" Did you mean {' or '.join(repr(name) for name in likely)}?" if likely else ""
            raise click.UsageError(f"No such command {args[0]!r}.{wish}", ctx)
        return super().resolve_command(ctx, args)


def command(name: str, *examples: str, prints: Printed = ()) -> Callable[[Callable[..., None]], Command]:
    """Make a command of a function whose docstring is its help; `examples` are command lines."""

    def make(function: Callable[..., None]) -> Command:
        return click.command(name, cls=Command, examples=examples, prints=prints)(function)

    return make


def family(name: str, *examples: str) -> Callable[[Callable[..., None]], Family]:
    """Make a group of commands of a function whose docstring is its help."""

    def make(function: Callable[..., None]) -> Family:
        return click.group(name, cls=Family, examples=examples)(function)

    return make


def given_early(option: str, arguments: Sequence[str]) -> bool:
    """Return whether a flag stands on the command line, which may be too wrong to be read."""
    before = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return option in before


def command_line(arguments: Sequence[str] | None) -> list[str]:
    """Return the arguments of this process, or those that are given in their stead."""
    return list(sys.argv[1:] if arguments is None else arguments)
