"""How long it takes to add a folder to the store and to check it out, beside `cp` and `sha256sum` in the same run.

    python -m bench.store [MEGABYTES] [SMALL_FILES]

Every figure is the median of three, in a warm cache; ours is durable and verified, `cp` is neither.
"""

import hashlib
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from stemma.artifacts.manifest import Manifest
from stemma.backends.blobs.local import LocalPackStore
from stemma.client.files.checkout import check_out
from stemma.client.files.folders import describe, list_folder
from tests.artifacts.support import OWNER, Store

ROUNDS = 3


def timed(action: Callable[[int], object]) -> float:
    """Return the median time of `action`, called with the number of the round."""
    times = []
    for number in range(ROUNDS):
        started = time.perf_counter()
        action(number)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def push(store: Store, root: Path) -> Manifest:
    """Add a folder, commit it, and return its manifest."""
    with list_folder(root) as folder:
        with store.artifacts.intake(store.begin(), store.read) as intake:
            added = intake.add(folder.files)
            addition = intake.finish()
        store.artifacts.commit(store.tx, addition, owner=OWNER)
        manifest = describe(folder, added)
    store.artifacts.store_manifest(store.tx, manifest, namespace="me")
    return manifest


def pull(store: Store, manifest: Manifest, destination: Path) -> None:
    """Check a folder out."""
    located = store.artifacts.locate(store.tx, manifest.digests())
    check_out(manifest, located, store.artifacts.reader, destination)


def sums(root: Path) -> str:
    """Return what `sha256sum` says of all files."""
    command = f"cd {root} && find . -type f -print0 | sort -z | xargs -0 sha256sum"
    return subprocess.run(["/bin/sh", "-c", command], check=True, capture_output=True, text=True).stdout


def measure(name: str, root: Path, place: Path) -> None:
    """Print one row."""
    size = sum(file.stat().st_size for file in root.rglob("*") if file.is_file())
    stores = [Store(LocalPackStore(place / f"store{number}")) for number in range(ROUNDS)]
    manifests: list[Manifest] = []
    add = timed(lambda number: manifests.append(push(stores[number], root)))
    again = timed(lambda number: push(stores[number], root))
    out = timed(lambda number: pull(stores[number], manifests[0], place / f"out{number}"))
    verify = timed(lambda number: stores[number].artifacts.verify(stores[number].tx, deep=True))
    copy = timed(lambda number: shutil.copytree(root, place / f"copy{number}"))
    hashing = timed(lambda _: sums(root))
    assert sums(place / "out0") == sums(root)
    stored = sum(summary.size for summary in stores[0].tx.artifacts.packs())
    print(
        f"| {name} | {size / 1e6:.0f} | {stored / 1e6:.0f} | {add:.2f} | {again:.2f} | {out:.2f} | {verify:.2f} "
        f"| {copy:.2f} | {hashing:.2f} |"
    )
    for path in place.iterdir():
        if path != root:
            shutil.rmtree(path)


def main() -> None:
    """Build the folders and measure."""
    megabytes, small = (int(argument) for argument in (sys.argv[1:] + ["100", "10000"][len(sys.argv) - 1 :]))
    rng = np.random.default_rng(1)
    print("| folder | MB | stored MB | add s | add again s | check out s | verify s | cp s | sha256sum s |")
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(dir=os.curdir) as temporary:
        place = Path(temporary).absolute()
        root = place / "float32"
        root.mkdir()
        tensors = {f"layer.{number}": rng.standard_normal((512, 512)).astype(np.float32) for number in range(megabytes)}
        save_file(tensors, root / "model.safetensors")
        measure("one safetensors, float32", root, place)
        root = place / "small"
        for number in range(small):
            file = root / hashlib.sha256(b"%d" % (number % 97)).hexdigest()[:4] / f"{number}.bin"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(random.Random(number).randbytes(4096))
        measure(f"{small} files of 4 KiB", root, place)


if __name__ == "__main__":
    main()
