"""Backups whose checksums hold over what no repository is: nothing of it is restored, and what is wrong is said."""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard
from blake3 import blake3

from stemma.app import open_folder, restore_folder
from stemma.backends.backup.listing import FILE, STATES, read_listing
from stemma.backends.backup.rows import HEADER
from stemma.errors import CorruptError, StemmaError
from tests.backup.stories import make, tell

Rows = list[list[Any]]


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a backup once; tests copy it."""
    folder = tmp_path_factory.mktemp("honest")
    tell(folder / "work", folder / "files")
    opened = open_folder(folder / "work")
    make(opened, folder / "backup")
    opened.close()
    return folder / "backup"


@pytest.fixture
def made(honest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    shutil.copytree(honest, tmp_path / "backup")
    return tmp_path / "backup"


def rewrite(backup: Path, table: str, change: Callable[[Rows], Rows | bytes]) -> None:
    """Let a table hold other rows, or bytes that are none, and let all checksums be right."""
    listing = read_listing(backup)
    tables = []
    for stored in listing.tables:
        if stored.name == table:
            path = backup / STATES / listing.state / stored.file
            chunks = path.read_bytes()[len(HEADER) :]
            rows: Rows = []
            while chunks:
                length = int.from_bytes(chunks[:4], "little")
                rows += msgspec.msgpack.decode(zstandard.decompress(chunks[36 : 36 + length]))
                chunks = chunks[36 + length :]
            changed = change(rows)
            plain = changed if isinstance(changed, bytes) else msgspec.msgpack.encode(changed)
            frame = zstandard.compress(plain)
            data = HEADER + len(frame).to_bytes(4, "little") + blake3(frame).digest() + frame
            path.write_bytes(data)
            count = stored.rows if isinstance(changed, bytes) else len(changed)
            tables.append(replace(stored, rows=count, size=len(data), sha256=hashlib.sha256(data).hexdigest()))
        else:
            tables.append(stored)
    (backup / FILE).write_bytes(replace(listing, tables=tuple(tables)).encode())


def put(column: int, value: object) -> Callable[[Rows], Rows]:
    """Put a value into the first row."""

    def change(rows: Rows) -> Rows:
        rows[0][column] = value
        return rows

    return change


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("records", lambda _: b"\x91" * 100_000 + b"\xc0"),
        ("records", lambda _: b"\x91\x92" + b"\x91" * 100_000 + b"\xc0"),
        ("records", lambda _: b"\x91\x92\xa1\xff\xc0"),
        ("records", lambda _: b"\x91\x92\xa3\xed\xa0\x80\xc0"),
        ("records", put(0, b"x")),
        ("records", put(1, None)),
        ("records", put(1, 5)),
        ("records", put(1, "text")),
        ("records", put(1, b"other")),
        ("records", lambda rows: [*rows, rows[0]]),
        ("records", lambda rows: rows[1:]),
        ("entries", put(0, b"")),
        ("entries", put(0, "x")),
        ("entries", put(0, 2**63)),
        ("entries", put(2, 2**64 - 1)),
        ("entries", put(2, -1)),
        ("entries", put(3, 2**62)),
        ("entries", put(8, b"{}")),
        ("entries", lambda rows: rows[1:]),
        ("entries", lambda rows: [*rows, rows[-1]]),
    ],
)
def test_it_is_corrupt_and_nothing_is_restored(
    made: Path, tmp_path: Path, table: str, change: Callable[[Rows], Rows | bytes]
) -> None:
    rewrite(made, table, change)
    with pytest.raises(CorruptError):
        restore_folder(made, tmp_path / "again")
    assert not (tmp_path / "again").exists() or list((tmp_path / "again").iterdir()) == []


def test_an_entry_in_a_log_that_can_have_no_name_is_refused(made: Path, tmp_path: Path) -> None:
    rewrite(made, "entries", put(1, "../x"))
    with pytest.raises(StemmaError):
        restore_folder(made, tmp_path / "again")
    assert list((tmp_path / "again").iterdir()) == []


def test_what_was_rewritten_to_the_same_comes_back(made: Path, tmp_path: Path) -> None:
    rewrite(made, "records", lambda rows: rows)
    restore_folder(made, tmp_path / "again")
