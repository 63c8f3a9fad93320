"""How long `stemma` and `import stemma` take to start, beside an interpreter that does nothing and peers.

Prints a table: the median and the slowest of several runs, in milliseconds. Peers are measured where installed.
"""

import importlib.util
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

RUNS = 15
LIMITS = {"stemma --help": 300.0, "import stemma": 150.0}
LINES: dict[str, Sequence[str]] = {
    "python -c pass": ("-c", "pass"),
    "import stemma": ("-c", "import stemma"),
    "stemma --help": ("-m", "stemma", "--help"),
    "stemma push --help": ("-m", "stemma", "push", "--help"),
    "stemma config list": ("-m", "stemma", "config", "list"),
}
PEERS: dict[str, Sequence[str]] = {"mlflow": ("-m", "mlflow", "--help"), "dvc": ("-m", "dvc", "--help")}


def measure(arguments: Sequence[str]) -> list[float]:
    """Return how long each run took, in milliseconds; one run before warms the disk's cache."""
    times = []
    for _ in range(RUNS + 1):
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        times.append((time.perf_counter() - start) * 1000)
    return times[1:]


def main() -> None:
    """Measure, print, and fail where a limit is not held."""
    lines = LINES | {f"{name} --help": line for name, line in PEERS.items() if importlib.util.find_spec(name)}
    print(f"{'':22} {'median':>9} {'slowest':>9} {'limit':>9}")
    slow = []
    for name, arguments in lines.items():
        times = measure(arguments)
        median, limit = statistics.median(times), LIMITS.get(name)
        print(f"{name:22} {median:6.0f} ms {max(times):6.0f} ms" + (f" {limit:6.0f} ms" if limit else ""))
        if limit is not None and median > limit:
            slow.append(name)
    if slow:
        sys.exit(f"too slow: {', '.join(slow)}")


if __name__ == "__main__":
    main()
