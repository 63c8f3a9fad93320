"""docs/reference/cli.md is what the commands say of themselves."""

from stemma.cli import program
from tests.cli import reference


def test_the_reference_is_what_help_says() -> None:
    written = reference.PATH.read_text("utf-8")
    assert written == reference.text(), "write it again: python tests/cli/reference.py"


def test_every_command_and_every_option_is_documented() -> None:
    written = reference.PATH.read_text("utf-8")
    for path, command in reference.walk(program, ()):
        assert f"### stemma {' '.join(path)}\n" in written
        for parameter in command.params:
            assert all(option in written for option in parameter.opts if option.startswith("-"))
