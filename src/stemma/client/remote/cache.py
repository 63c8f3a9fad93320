"""The cache: answers and files of servers, kept for when they are out of reach. Several processes share it.

    <cache>/servers/<identity>/answers/<asker>/<question>.json     answers to one asker
    <cache>/servers/<identity>/checkouts/<manifest>/               files of versions, and <manifest>.used beside them
    <cache>/addresses/<address>.json                               which server answered there last

`identity` is the repository's own, `asker` a SHA-256 over the address and the token (no token can be told from it), so
that nobody is answered with what another token was told, or by a server that claims to be another. Files are reached
only through an answer, and are checked against the digests of their manifest each time. Everything is written beside
its place and renamed; what cannot be read, or is not what it should be, is as good as absent. The folder is readable by
its owner alone.
"""

import fcntl
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from stemma.client.files.beneath import file_errors
from stemma.records import Digest

Kind = TypeVar("Kind", bound=msgspec.Struct)
_MAX_ANSWER = 64 << 20
_MAX_ANSWERS = 10_000
_MARK = ".used"
_SURVEY = 64  # writes between two looks at how many answers there are


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """An answer: to which question, when (seconds since the epoch), and its bytes."""

    question: str
    time: float
    answer: msgspec.Raw


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Who answered at an address last."""

    address: str
    identity: str


def asker_of(address: str, token: str | None) -> str:
    """Return under which name the answers to a token are kept that a server at an address gave."""
    shown = "" if token is None else token
    return hashlib.sha256(f"stemma asker v2\0{address}\0{shown}".encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(slots=True)
class Cache:
    """`limit` is how many bytes of files are kept."""

    root: Path
    limit: int
    _written: int = 0

    def identity_at(self, address: str) -> str | None:
        """Return which server answered at `address` last."""
        place = _read(self._place(address), Place)
        is_known = place is not None and place.address == address and is_identity(place.identity)
        return place.identity if place is not None and is_known else None

    def note_identity(self, address: str, identity: str) -> None:
        """Remember which server answers at `address`."""
        if is_identity(identity) and self.identity_at(address) != identity:
            _write(self._place(address), msgspec.json.encode(Place(address=address, identity=identity)))

    def keep(self, identity: str, asker: str, question: str, answer: bytes) -> None:
        """Keep the answer to a question, instead of the one before; that it cannot be kept is no failure."""
        path = self._answer(identity, asker, question)
        kept = Kept(question=question, time=time.time(), answer=msgspec.Raw(answer))
        _write(path, msgspec.json.encode(kept))
        if self._written % _SURVEY == 0:
            _thin(path.parent)
        self._written += 1

    def find(self, identity: str, asker: str, question: str) -> tuple[bytes, float] | None:
        """Return the answer that was kept, and when it was given."""
        kept = _read(self._answer(identity, asker, question), Kept)
        return None if kept is None or kept.question != question else (bytes(kept.answer), kept.time)

    @contextmanager
    def using(self, identity: str, manifest: Digest, size: int) -> Iterator[Path]:
        """Give the place for `size` bytes, a manifest's files; meanwhile nobody clears it away."""
        folder = self._checkouts(identity)
        with file_errors(folder):
            _make(folder)
            mark = _hold(folder / f"{manifest.hex}{_MARK}")
        try:
            with file_errors(folder):
                os.pwrite(mark, f"{size}\n".encode(), 0)
                os.utime(mark)
            self._make_room(folder, manifest.hex)
            yield folder / manifest.hex
        finally:
            os.close(mark)

    def _make_room(self, folder: Path, but: str) -> None:
        """Clear away what was used longest ago until the rest is within the limit."""
        room = self.limit
        for _, path, size in sorted(_checkouts(folder), reverse=True):
            room -= size
            if room < 0 and path.name != but:
                _clear(path)

    def _checkouts(self, identity: str) -> Path:
        return self.root / "servers" / identity / "checkouts"

    def _answer(self, identity: str, asker: str, question: str) -> Path:
        name = hashlib.sha256(question.encode()).hexdigest()
        return self.root / "servers" / identity / "answers" / asker / f"{name}.json"

    def _place(self, address: str) -> Path:
        return self.root / "addresses" / f"{hashlib.sha256(address.encode()).hexdigest()}.json"


def is_identity(identity: str) -> bool:
    """Return whether it is the id of a repository, which names a folder here."""
    return len(identity) == 32 and all(each in "0123456789abcdef" for each in identity)  # noqa: PLR2004  # a UUID


def _make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def _read(path: Path, kind: type[Kind]) -> Kind | None:
    try:
        if path.stat().st_size > _MAX_ANSWER:
            return None
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None  # as good as absent


def _write(path: Path, data: bytes) -> None:
    """Replace a file, whole or not at all; a cache that cannot be written to is no failure."""
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with suppress(OSError):
        _make(path.parent)
        try:
            unfinished.touch(mode=0o600, exist_ok=False)
            unfinished.write_bytes(data)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)


def _thin(folder: Path) -> None:
    """Forget the oldest half of the answers where there are too many."""
    with suppress(OSError):
        found = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)
        if len(found) > _MAX_ANSWERS:
            for path in found[: len(found) // 2]:
                path.unlink(missing_ok=True)


def _checkouts(folder: Path) -> Iterator[tuple[float, Path, int]]:
    """Yield when each checkout was used last, where it is, and its size in bytes."""
    with suppress(OSError):
        for mark in folder.glob(f"*{_MARK}"):
            text = mark.read_bytes().strip()
            yield mark.stat().st_mtime, mark.with_suffix(""), int(text) if text.isdigit() else 0


def _hold(path: Path) -> int:
    """Return the descriptor of a mark, locked against clearing away; one that was cleared meanwhile is made anew."""
    while True:
        mark = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(mark, fcntl.LOCK_SH)
            if os.fstat(mark).st_nlink:
                return mark
        except BaseException:
            os.close(mark)
            raise
        os.close(mark)


def _clear(path: Path) -> None:
    """Remove a checkout that nobody is using."""
    mark = path.with_name(f"{path.name}{_MARK}")
    with suppress(OSError):
        descriptor = os.open(mark, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
            with suppress(FileNotFoundError):  # it was begun and never filled
                path.rename(aside)
            mark.unlink()
            shutil.rmtree(aside, ignore_errors=True)
        finally:
            os.close(descriptor)
