"""Manifests: one folder, one record, one digest; reading is strict."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemma.artifacts.manifest import SCHEMA, Manifest, ManifestFile
from stemma.errors import CorruptError, InvalidError, NotFoundError, UnsupportedError
from stemma.records import Digest, canonical

ONE = ManifestFile("a.bin", 3, Digest.of(b"abc"))
TWO = ManifestFile("b/run.sh", 0, Digest.of(b""), executable=True)

names = st.text(alphabet="abcXYZ012 .é", min_size=1, max_size=6).filter(lambda text: text.strip(".") != "")
trees = st.dictionaries(names, st.tuples(st.binary(max_size=8), st.booleans()), max_size=8)


def record(**changes: object) -> bytes:
    value = json.loads(Manifest.of([ONE, TWO], ["empty"]).encode())
    return canonical(value | changes)


def test_the_digest_is_that_of_the_record() -> None:
    manifest = Manifest.of([TWO, ONE], ["empty"])
    assert [file.path for file in manifest.files] == ["a.bin", "b/run.sh"]
    assert manifest.digest == Digest.of(manifest.encode())
    assert manifest.size == 3
    assert manifest.file("a.bin") == ONE
    assert json.loads(manifest.encode()) == {
        "schema": "stemma/manifest/1",
        "files": [
            {"path": "a.bin", "size": 3, "digest": str(ONE.digest), "executable": False},
            {"path": "b/run.sh", "size": 0, "digest": str(TWO.digest), "executable": True},
        ],
        "directories": ["empty"],
    }
    with pytest.raises(NotFoundError):
        manifest.file("missing")


@given(trees)
def test_decode_is_the_inverse_of_encode(tree: dict[str, tuple[bytes, bool]]) -> None:
    files = [ManifestFile(path, len(data), Digest.of(data), executable) for path, (data, executable) in tree.items()]
    try:
        manifest = Manifest.of(files)
    except InvalidError:
        return  # two spellings of one name
    assert Manifest.decode(manifest.encode()) == manifest
    assert Manifest.of(reversed(files)).digest == manifest.digest


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}x",
        record() + b" ",
        record(extra=1),
        record(files={}),
        record(directories=[1]),
        record(files=[{"path": "../x", "size": 1, "digest": str(ONE.digest), "executable": False}]),
        record(files=[{"path": "a", "size": -1, "digest": str(ONE.digest), "executable": False}]),
        record(files=[{"path": "a", "size": True, "digest": str(ONE.digest), "executable": False}]),
        record(files=[{"path": "a", "size": 1.5, "digest": str(ONE.digest), "executable": False}]),
        record(files=[{"path": "a", "size": 1, "digest": "sha256:00", "executable": False}]),
        record(files=[{"path": "a", "size": 1, "digest": str(ONE.digest), "executable": 0}]),
        record(files=[{"path": "a", "size": 1, "digest": str(ONE.digest)}]),
        record(files=list(reversed(json.loads(record())["files"]))),
    ],
    ids=lambda data: ascii(data)[:40],
)
def test_what_encode_would_not_write_is_corrupt(data: bytes) -> None:
    with pytest.raises((CorruptError, UnsupportedError)):
        Manifest.decode(data)


def test_a_newer_schema_is_unsupported() -> None:
    with pytest.raises(UnsupportedError, match="stemma/manifest/2"):
        Manifest.decode(record(schema="stemma/manifest/2"))
    assert SCHEMA == "stemma/manifest/1"


def test_every_changed_byte_is_noticed() -> None:
    data = Manifest.of([ONE, TWO], ["empty"]).encode()
    digest = Digest.of(data)
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1
        try:
            read = Manifest.decode(bytes(changed))
        except (CorruptError, UnsupportedError):
            continue
        assert read.digest != digest
