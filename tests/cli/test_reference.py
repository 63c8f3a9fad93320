"""docs/reference/cli.md is what the commands say of themselves."""

import re
from pathlib import Path

from stemma.cli import program
from tests.cli import reference

README = Path(__file__).parents[2] / "README.md"


def test_the_reference_is_what_help_says() -> None:
    written = reference.PATH.read_text("utf-8")
    assert written == reference.text(), "write it again: python tests/cli/reference.py"


def test_every_command_and_every_option_is_documented() -> None:
    written = reference.PATH.read_text("utf-8")
    for path, command in reference.walk(program, ()):
        assert f"### stemma {' '.join(path)}\n" in written
        for parameter in command.params:
            assert all(option in written for option in parameter.opts if option.startswith("-"))


def readme_blocks() -> list[str]:
    """Return the fenced blocks of the README."""
    return re.findall(r"^```[a-z]*\n(.*?)^```$", README.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def test_help_in_the_readme_is_the_help_of_the_command() -> None:
    for block in readme_blocks():
        if block.startswith("Usage: stemma"):
            path = tuple(block.partition(" [OPTIONS]")[0].split()[2:])
            command = dict(reference.walk(program, ())).get(path, program)
            assert block == reference.help_of(path, command) + "\n"


def test_the_readme_names_no_command_that_there_is_not() -> None:
    known = {" ".join(path) for path, _ in reference.walk(program, ())}
    lines = [line.strip().removeprefix("$ ") for block in readme_blocks() for line in block.splitlines()]
    for line in lines:
        if line.startswith("stemma ") and not line.startswith("stemma -"):
            assert line.split()[1] in known, line
