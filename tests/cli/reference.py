"""The reference of the command line, written from the commands themselves.

`python tests/cli/reference.py` writes it to docs/reference/cli.md again.
"""

import re
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from stemma.cli import PROGRAM, program
from stemma.cli.grouping import Command
from stemma.cli.problems import BROKEN_PIPE, INTERRUPTED
from stemma.errors import ANSWERS

PATH = Path(__file__).parents[2] / "docs/reference/cli.md"
WIDTH = 100
_COMMON = re.compile(r"\n\nCommon options:\n(?:  .*\n)*  .*(?=\n\n|\Z)")
HEAD = """\
# The command line

Written from `stemma --help` and the objects that commands print; `python tests/cli/reference.py` writes it again.

## Streams, codes and references
Data go to standard output; notes, warnings, progress and errors go to standard error. With `--json` standard output
holds one JSON document, an object that this page describes, and an error is one JSON object on standard error. Members
are only ever added. Times are UTC; sizes are in bytes in JSON, and in thousands (kB, MB) for people; digests are
`sha256:…`. Characters that a terminal would obey or hide are printed as escapes.

A reference is `NAMESPACE/NAME[@SELECTOR][?target=NAME]`; without a namespace it is `me/NAME`. SELECTOR is a number
(`1.4.0`), a range (`^1.2`), a sequence number (`v7`), an alias (`production`), a branch (`main`), a digest (`sha256:…`,
eight digits are enough) or `latest`, which it is where none is given.

`--repo` and `STEMMA_REPO` say where the repository is; by default it is the nearest folder at or above the current one
that holds `.stemma`. `STEMMA_TOKEN` authenticates at a server and is of no effect in a folder. `NO_COLOR` and
`stemma config set color never --user` turn colours off. The common options may stand before
or behind the command's name.
"""


def text() -> str:
    """Return the whole page."""
    printed: dict[str, type[msgspec.Struct]] = {}
    parts = [HEAD, _codes(), "## Commands\n", *_commands(printed), "## Objects\n", *_objects(printed)]
    return "\n".join(parts)


def help_of(path: tuple[str, ...], command: click.Command) -> str:
    """Return what `--help` prints in a terminal that is wide enough."""
    context = click.Context(
        command, info_name=" ".join((PROGRAM, *path)), terminal_width=WIDTH, max_content_width=WIDTH
    )
    context.help_option_names = ["-h", "--help"]
    return command.get_help(context)


def _codes() -> str:
    rows: dict[int, list[str]] = {0: ["done"]}
    for kind, answer in ANSWERS.items():
        rows.setdefault(answer.exit_code, []).append(f"{answer.title.lower()} (`{kind.code}`)")
    rows[1].append("a bug (`bug`)")
    rows[2].append("wrong usage (`usage`)")
    rows[INTERRUPTED] = ["interrupted (`interrupted`)"]
    rows[BROKEN_PIPE] = ["the reader of standard output is gone"]
    lines = [f"| {code} | {'; '.join(words)} |" for code, words in sorted(rows.items())]
    problem = (
        "An error with `--json`: `code` (as above), `title`, `detail`, `hint`, `place` (a file, an offset, a field;\n"
        "both null where there is none), `status` (what HTTP would answer, or null where it has no equal) and\n"
        "`exit_code`.\n"
    )
    return "\n".join(["| exit code | meaning |", "|---|---|", *lines, "", problem])


def _commands(printed: dict[str, type[msgspec.Struct]]) -> Iterator[str]:
    yield _block(help_of((), program))
    for path, command in walk(program, ()):
        yield f"### {PROGRAM} {' '.join(path)}\n"
        yield _block(_COMMON.sub("", help_of(path, command)))
        if isinstance(command, Command) and command.prints:
            for kind in command.prints:
                printed[kind.__name__] = kind
            yield f"With `--json`: {' or '.join(_link(kind) for kind in command.prints)}.\n"


def walk(group: click.Group, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command below `group` with its path."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from walk(command, (*path, name))


def _block(help_text: str) -> str:
    return f"```text\n{help_text}\n```\n"


def _objects(printed: dict[str, type[msgspec.Struct]]) -> Iterator[str]:
    pending = dict(printed)
    done: dict[str, str] = {}
    while pending:
        name, kind = pending.popitem()
        done[name] = _object(kind)
        for hint in typing.get_type_hints(kind).values():
            pending.update({each.__name__: each for each in _structs(hint) if each.__name__ not in done})
    yield from (done[name] for name in sorted(done))


def _object(kind: type[msgspec.Struct]) -> str:
    hints = typing.get_type_hints(kind)
    rows = [f"| `{name}` | {_kind(hints[name])} |" for name in kind.__struct_fields__]
    said = " ".join((kind.__doc__ or "").split())
    return "\n".join([f"### {kind.__name__}", "", said, "", "| member | holds |", "|---|---|", *rows, ""])


def _structs(hint: object) -> Iterator[type[msgspec.Struct]]:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield hint
    for part in typing.get_args(hint):
        yield from _structs(part)


def _kind(hint: object) -> str:
    """Return a type as JSON has it."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in {types.UnionType, typing.Union}:
        return " or ".join(_kind(part) for part in parts)
    if origin is tuple:
        return f"list of {_kind(parts[0])}"
    if origin is dict:
        return f"object of {_kind(parts[1])}"
    if origin is typing.Literal:
        return " or ".join(f'`"{part}"`' for part in parts)
    names = {
        str: "text",
        int: "whole number",
        float: "number",
        bool: "true or false",
        type(None): "null",
        typing.Any: "anything",
    }
    return next((name for kind, name in names.items() if hint is kind), "") or _link(hint)


def _link(kind: object) -> str:
    name = getattr(kind, "__name__", str(kind))
    return f"[{name}](#{name.lower()})"


if __name__ == "__main__":
    PATH.parent.mkdir(parents=True, exist_ok=True)
    PATH.write_text(text(), "utf-8")
    sys.stdout.write(f"{PATH}\n")
