"""Stores that released formats wrote are still read, block by block, and the same input still gives the same ids."""

import json
import shutil
from pathlib import Path

import pytest

from stemma.artifacts.cutting import lay_out
from stemma.artifacts.manifest import Manifest
from stemma.backends.blobs.local import LocalPackStore
from stemma.records import Digest
from tests.artifacts.support import Bytes, Store

GOLDEN = Path(__file__).parents[1] / "golden" / "formats"


@pytest.fixture(params=sorted(path.name for path in GOLDEN.iterdir() if (path / "manifests.json").is_file()))
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Store, dict[Digest, Manifest]]:
    """Open a copy of a stored repository, with its index rebuilt from the packs."""
    place = GOLDEN / request.param
    shutil.copytree(place / "store", tmp_path / "store")
    store = Store(LocalPackStore(tmp_path / "store"))
    assert store.artifacts.adopt(store.tx) == ()
    written = json.loads((place / "manifests.json").read_text())
    return store, {Digest.parse(digest): Manifest.decode(record.encode()) for digest, record in written.items()}


def test_every_file_reads_back(golden: tuple[Store, dict[Digest, Manifest]]) -> None:
    store, manifests = golden
    assert store.artifacts.verify(store.tx, deep=True).sound
    for digest, manifest in manifests.items():
        assert store.artifacts.store_manifest(store.tx, manifest, namespace="me") == digest
        tree = store.pull(digest)
        assert {path: Digest.of(data) for path, data in tree.items()} == {
            file.path: file.digest for file in manifest.files
        }


def test_what_is_pushed_again_adds_nothing(golden: tuple[Store, dict[Digest, Manifest]]) -> None:
    """Ids of blocks and segments, and where safetensors files are cut, have not changed."""
    store, manifests = golden
    for digest, manifest in manifests.items():
        store.artifacts.store_manifest(store.tx, manifest, namespace="me")
        tree = store.pull(digest)
        assert store.add([Bytes(path, data) for path, data in tree.items()]).written == 0
        again = Store()
        again.add([Bytes(path, data) for path, data in tree.items()])
        for file in manifest.files:
            (old,) = store.artifacts.recipes(store.tx, [file.digest]).values()
            (new,) = again.artifacts.recipes(again.tx, [file.digest]).values()
            assert old == new
            (located,) = store.artifacts.locate(store.tx, [file.digest]).values()
            layout = lay_out(store.artifacts.source(located))
            assert layout.format == old.format
            assert [span.length for span in layout.spans] == [piece.length for piece in old.pieces]
