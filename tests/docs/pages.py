"""The pages of the documentation, their blocks, and a runner for the examples in them."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ANY = "..."  # in shown output: anything, also over several lines


@dataclass(frozen=True)
class Block:
    """A fenced block and its language."""

    language: str
    text: str


def name_of(page: Path) -> str:
    """Return how a page is called in the output of tests."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    return [Block(match[1], match[2]) for match in _BLOCK.finditer(page.read_text("utf-8"))]


def run_examples(page: Path, folder: Path) -> None:
    """Run every console and Python block of a page in order, in `folder`; what is shown must be what comes out."""
    for block in blocks(page):
        if block.language == "console":
            for line, shown in commands(block.text):
                done = run(["bash", "-c", line], folder)
                expected = "error:" in shown
                assert (done.returncode != 0) == expected, f"{line}\n{done.stdout}"
                assert matches(shown, done.stdout), f"{line}\n{done.stdout}\nis not what is shown:\n{shown}"
        elif block.language == "python":
            done = run([sys.executable, "-W", "ignore", "-c", block.text], folder)
            assert done.returncode == 0, f"{block.text}\n{done.stdout}"


def commands(text: str) -> list[tuple[str, str]]:
    """Return each `$ ` line of a console block with the output that is shown below it."""
    found: list[tuple[str, str]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], ""))
        else:
            found[-1] = (found[-1][0], f"{found[-1][1]}{line}\n")
    return found


def matches(shown: str, printed: str) -> bool:
    """Whether `printed` is what is shown, where `...` stands for anything; nothing shown says nothing."""
    if not shown:
        return True
    pattern = ".*".join(re.escape(part) for part in shown.rstrip("\n").split(_ANY))
    return re.fullmatch(pattern, printed.rstrip("\n"), re.DOTALL) is not None


def run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in `folder` with both streams as one."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.defpath}",
        "HOME": str(folder.parent / "home"),
        "LANG": "C.UTF-8",
        "STEMMA_USER": "ada",
    }
    return subprocess.run(
        arguments,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=120,
        check=False,
    )
