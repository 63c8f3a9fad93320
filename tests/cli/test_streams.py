"""Real processes: what goes to which stream, with a terminal and without, and what an interruption leaves."""

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.running import in_a_folder, process, stemma

STEMMA = [sys.executable, "-m", "stemma"]


@pytest.fixture
def big(folder: Path) -> Path:
    """Make a folder of 48 MB that cannot be made smaller."""
    made = folder.parent / "big"
    made.mkdir()
    for number in range(3):
        (made / f"{number}.bin").write_bytes(os.urandom(16 << 20))
    return made


def on_a_terminal(*arguments: str | Path, cwd: Path, out: bool = False, no_color: bool = False) -> tuple[int, str, str]:
    """Run with standard error on a terminal, and standard output too on request; return code, output, terminal."""
    master, slave = pty.openpty()
    done = subprocess.Popen(
        [*STEMMA, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **({"NO_COLOR": "1"} if no_color else {})},  # noqa: TID251  # as the test's own, and one more
        stdin=subprocess.DEVNULL,
        stdout=slave if out else subprocess.PIPE,
        stderr=slave,
    )
    os.close(slave)
    shown = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:  # Linux: everybody has closed the terminal
            break
        if not piece:
            break
        shown += piece
    os.close(master)
    text = b"" if done.stdout is None else done.stdout.read()
    if done.stdout is not None:
        done.stdout.close()
    return done.wait(60), text.decode(), shown.decode()


def test_progress_is_drawn_on_a_terminal_and_nowhere_else(big: Path, folder: Path) -> None:
    code, out, shown = on_a_terminal("push", "x", big, "-m", "Big", cwd=folder)
    assert (code, out) == (0, "me/x@1.0.0\n")
    assert "━" in shown
    assert "50.3 MB" in shown
    code, out, shown = on_a_terminal("push", "x", big, "-m", "Again", "-q", cwd=folder)
    assert (code, out, shown) == (0, "me/x@1.1.0\n", "")
    piped = process("pull", "x", folder / "out", cwd=folder)
    assert piped.code == 0
    assert "━" not in piped.err


def test_colours_are_for_terminals(model: Path, folder: Path) -> None:
    code, _, shown = on_a_terminal("ls", "bank/loans", cwd=folder, out=True)
    assert code == 0
    assert "\x1b[1m1.1.0 (v2)" in shown
    assert "\x1b" not in process("ls", "bank/loans", cwd=folder).out
    _, _, shown = on_a_terminal("ls", "bank/loans", "--color", "never", cwd=folder, out=True)
    assert "\x1b" not in shown
    _, _, shown = on_a_terminal("ls", "bank/loans", cwd=folder, out=True, no_color=True)
    assert "\x1b" not in shown
    _, _, shown = on_a_terminal("show", "bank/none", cwd=folder, no_color=True)
    assert shown.startswith("error: ")
    del model


def test_json_is_all_there_is_on_standard_output(model: Path, folder: Path) -> None:
    code, out, _ = on_a_terminal("ls", "bank/loans", "--json", cwd=folder)
    assert code == 0
    assert out.startswith("{\n")
    assert out.endswith("}\n")
    assert "\x1b" not in out
    del model


def test_long_lines_are_cut_on_a_terminal_and_whole_in_a_pipe(model: Path, folder: Path) -> None:
    (model / "x").write_text("x")
    words = "long " * 60
    stemma("push", "bank/loans", model, "-m", words)
    _, _, shown = on_a_terminal("ls", "bank/loans", cwd=folder, out=True)
    assert "…" in shown
    assert words.strip() in process("ls", "bank/loans", cwd=folder).out


@in_a_folder
def test_an_interrupted_push_leaves_nothing_and_says_so_in_a_line(big: Path, folder: Path) -> None:
    for number in range(3, 12):  # enough to be still at it when the signal comes
        (big / f"{number}.bin").write_bytes(os.urandom(16 << 20))
    with subprocess.Popen(
        # A shell that starts tests in the background lets them ignore SIGINT: env takes that back.
        ["/usr/bin/env", "--default-signal=INT", *STEMMA, "push", "x", str(big), "-m", "Big"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        uploads = folder / ".stemma/uploads"
        end = time.monotonic() + 30
        while running.poll() is None and time.monotonic() < end and not any(uploads.rglob("*.*")):
            time.sleep(0.005)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (130, "")
    assert err.strip() == "error: interrupted"
    assert process("show", "x", cwd=folder).code == 3
    assert process("verify", "--all", cwd=folder).code == 0
    assert process("push", "x", big, "-m", "Big", cwd=folder).code == 0


def test_a_reader_that_goes_away_is_no_error(model: Path, folder: Path) -> None:
    line = f"{sys.executable} -m stemma log bank/loans --json | head -c 1"
    done = subprocess.run(["/bin/sh", "-c", line], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("{", "")
    del model


@in_a_folder
def test_where_the_repository_is_can_be_said_in_three_ways(model: Path, folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    below = folder / "a/b"
    below.mkdir(parents=True)
    home = {"HOME": str(tmp_path), "PATH": os.defpath}
    assert process("show", "bank/loans", cwd=below, environment=home).code == 0
    assert process("show", "bank/loans", cwd=elsewhere, environment=home).code == 3
    assert process("show", "bank/loans", "--repo", folder, cwd=elsewhere, environment=home).code == 0
    assert process("show", "bank/loans", cwd=elsewhere, environment={**home, "STEMMA_REPO": str(folder)}).code == 0
    wrong = {**home, "STEMMA_REPO": str(elsewhere), "STEMMA_TOKEN": "of no effect"}
    assert process("show", "bank/loans", cwd=folder, environment=wrong).code == 3
    assert process("--repo", folder, "show", "bank/loans", cwd=folder, environment=wrong).code == 0
    del model


@in_a_folder
@pytest.mark.parametrize(("closed", "code"), [("<&-", 0), (">&-", 8), ("2>&-", 0), ("<&- >&- 2>&-", 8)])
def test_closed_streams_are_not_taken_by_files(model: Path, folder: Path, closed: str, code: int) -> None:
    line = f"{sys.executable} -m stemma push bank/loans {model} -m Again {closed}"
    done = subprocess.run(["/bin/sh", "-c", line], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert process("verify", "--all", cwd=folder).code == 0
    assert process("db", "check", cwd=folder).code == 0
