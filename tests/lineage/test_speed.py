"""Pages of lineage cost the same on graphs of any shape: the benchmark itself, at a fifth of its size.

The benchmark holds pages to 50 ms on a quiet machine. Here a page may take ten times that, so that a busy machine does
not fail it and a page whose cost grows with the graph does.
"""

import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench" / "lineage.py"


@pytest.mark.slow
@pytest.mark.alone
def test_no_page_is_slow() -> None:
    result = subprocess.run(
        [sys.executable, BENCH, "200000", "500"], capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert len(result.stdout.splitlines()) == 9
