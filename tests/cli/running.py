"""Running the command line in tests: inside this process, or as one of its own."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest
from click.testing import CliRunner

from stemma.cli import Program, program

in_a_folder = pytest.mark.parametrize("place", ["folder"], indirect=True)
on_a_server = pytest.mark.parametrize("place", ["server"], indirect=True)
View = TypeVar("View", bound=msgspec.Struct)


@dataclass(frozen=True)
class Ran:
    """What one invocation left: its exit code and both streams."""

    code: int
    out: str
    err: str

    def read(self, kind: type[View]) -> View:
        """Return standard output as the one JSON document of `kind` that it must be, without other members."""
        assert self.code == 0, self.err
        view = msgspec.json.decode(self.out, type=kind)
        assert msgspec.json.decode(self.out) == msgspec.json.decode(msgspec.json.encode(view))
        return view


def stemma(*arguments: str | Path, given: str = "", of: Program = program) -> Ran:
    """Run a command line in this process; nothing may escape but an exit code."""
    result = CliRunner().invoke(of, [str(argument) for argument in arguments], input=given, prog_name="stemma")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return Ran(result.exit_code, result.stdout, result.stderr)


def process(*arguments: str | Path, cwd: Path, environment: Mapping[str, str] | None = None) -> Ran:
    """Run a command line as a process without a terminal."""
    done = subprocess.run(
        [sys.executable, "-m", "stemma", *map(str, arguments)],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return Ran(done.returncode, done.stdout, done.stderr)
