"""Start-up stays fast: what `import stemma` costs and what it must not pull in."""

import subprocess
import sys

import pytest

HEAVY = {
    "alembic",
    "numpy",
    "onnx",
    "pandas",
    "rich",
    "sklearn",
    "skops",
    "sqlalchemy",
    "starlette",
    "torch",
    "uvicorn",
}


def run(program: str) -> str:
    """Run `program` in a fresh interpreter and return what it prints."""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


@pytest.mark.alone
def test_importing_takes_less_than_150_ms() -> None:
    program = "import time; start = time.perf_counter(); import stemma; print(time.perf_counter() - start)"
    assert min(float(run(program)) for _ in range(5)) < 0.15, "what else the machine does only adds to it"


def test_importing_pulls_in_nothing_heavy() -> None:
    loaded = run("import sys, stemma; print(*{name.partition('.')[0] for name in sys.modules})").split()
    assert not HEAVY & set(loaded)
