"""A program that pushes a folder to a server, or pulls it, and says how many bytes of it went over the wire.

    python -m tests.crash.carrying push|pull URL FOLDER

It prints `begin`, then `end BYTES PEAK` when it was acknowledged, PEAK being the most memory it had, in KiB.
"""

import sys
from pathlib import Path
from typing import Any

from stemma.client import Repository
from stemma.client.remote.transport import Stream, Transport


def count(counted: list[int]) -> None:
    """Add to `counted` every byte of a pack that is sent, and every byte of content that is read."""
    ask: Any = Transport.ask
    read = Stream.read

    def counting_ask(self: Transport, method: str, path: str, **options: Any) -> Any:  # noqa: ANN401  # passed on
        if method == "PUT" and "/packs/" in path:
            counted.append(len(options["body"]))
        return ask(self, method, path, **options)

    def counting_read(self: Stream, most: int = 1 << 16) -> bytes:
        data = read(self, most)
        counted.append(len(data))
        return data

    Transport.ask = counting_ask  # type: ignore[method-assign]  # to count
    Stream.read = counting_read  # type: ignore[method-assign]  # to count


def main() -> None:
    """Do what the arguments say."""
    act, url, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    counted: list[int] = []
    count(counted)
    with Repository.open(url) as repository:
        repository.status()
        sys.stdout.write("begin\n")
        sys.stdout.flush()
        if act == "push":
            repository.push("bank/loans", folder, message="pushed")
        else:
            repository.pull("bank/loans@latest", folder, overwrite=True)
    # Not ru_maxrss: that begins with what the process had that started this one.
    peak = next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    sys.stdout.write(f"end {sum(counted)} {peak}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
