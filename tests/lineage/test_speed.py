"""Pages of lineage stay fast on graphs of any shape: the benchmark itself, at a fifth of its size."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench" / "lineage.py"


@pytest.mark.slow
@pytest.mark.alone
def test_no_page_is_slow() -> None:
    result = subprocess.run([sys.executable, BENCH, "200000"], capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert len(result.stdout.splitlines()) == 9
