"""The logs of a server, verified here: every entry is fetched and hashed, and nothing else that the server says counts.

A log must be signed by the keys that are pinned and continue what was seen before; entries behind the newest signed
root are reported as unsigned.
"""

import base64
import binascii
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import msgspec

from stemma.client.calls import Run
from stemma.client.files.beneath import file_errors
from stemma.client.remote.problems import PROBLEM
from stemma.client.remote.transport import Transport
from stemma.errors import CorruptError, StemmaError
from stemma.ledger.audit import Follower, LogReport
from stemma.ledger.evidence.checkpoint import policy_for, verify_checkpoint
from stemma.ledger.evidence.note import PublicKey, VerifierKey
from stemma.ledger.evidence.pins import Pin
from stemma.operations.evidence import CHECKPOINT, ENTRIES, KEYS, KeysView, OfLog, ReadEntries
from stemma.operations.log import LOGS
from stemma.operations.requests import Nothing

LINES = "application/x-ndjson"
_PAGE = 1000
_IN_MEMORY = 8 << 20
_PATH = re.compile(r"[a-z0-9_][a-z0-9._-]*(?:/[a-z0-9_][a-z0-9._-]*)*", re.ASCII)


class _File(msgspec.Struct, frozen=True):
    """One file of an export; JSON carries its bytes as base64."""

    path: str
    data: bytes


class RemoteLogs:
    """Reads the logs of one server."""

    absence = "It was removed there, or your token may not read it any more."

    def __init__(self, transport: Transport, run: Run) -> None:
        self._transport = transport
        self._run = run
        self._place = str(transport.address)
        self._told: KeysView | None = None

    @property
    def name(self) -> str:
        """What the origins of all its logs begin with."""
        return self._keys().name

    def keys(self) -> tuple[PublicKey, ...]:
        """Return the keys that the server names."""
        view = self._keys()
        try:
            found = [VerifierKey.parse(text) for text in view.keys]
        except StemmaError as error:
            raise CorruptError(f"what it calls its keys are none: {error.message}", place=self._place) from error
        if any(key.name != view.name for key in found):
            raise CorruptError("its keys are under another name", place=self._place)
        return tuple(key.key for key in found)

    def namespaces(self) -> Sequence[str]:
        """Return the names of the logs that may be read."""
        return self._run(LOGS, Nothing()).namespaces

    def verify(self, namespace: str, keys: Sequence[PublicKey], pin: Pin | None) -> LogReport:
        """Recompute a log from its entries, up to the end that it had when this began."""
        origin = f"{self.name}/{namespace}"
        end = self._run(CHECKPOINT, OfLog(namespace=namespace))
        place = f"{self._place} log of {namespace}"
        roots: dict[int, tuple[str, bytes]] = {}
        signed = 0
        if end.note is not None:
            note = _bytes(end.note, place)
            checkpoint = verify_checkpoint(note, policy_for(origin, keys), place=place).checkpoint
            if checkpoint.origin != origin:
                raise CorruptError(f"the note is over {checkpoint.origin!r}", place=place)
            signed = checkpoint.size
            roots[signed] = ("the checkpoint", checkpoint.root)
        size = max(end.size, signed)
        if pin is not None and pin.size > size:
            raise CorruptError(
                f"the log has {size} entries where {pin.size} were seen before",
                place=place,
                hint="Entries are missing: ask who runs the server.",
            )
        if pin is not None and pin.size:
            if pin.size == signed and pin.root != roots[signed][1]:
                raise CorruptError(f"another root was seen before at size {pin.size}", place=place)
            roots.setdefault(pin.size, ("what was seen before", pin.root))
        follower = Follower(namespace, roots)
        follower.check_root(place=place)
        for data in self._entries(namespace, size, place):
            follower.follow(data, place=f"{place}, entry {follower.size}")
        return LogReport(origin, size, follower.root(), follower.time, signed, len(roots))

    def export(self, folder: Path) -> None:
        """Have the server sign and export its logs, and write what it sends; whoever calls verifies it."""
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as spool:
            self._transport.patience.call(lambda: self._fetch(spool))
            with file_errors(folder):
                folder.mkdir(parents=True, exist_ok=True)
                for line in spool:
                    self._write(folder, line)

    def _fetch(self, spool: IO[bytes]) -> None:
        """Fetch the whole export into `spool`, from its start."""
        spool.seek(0)
        spool.truncate()
        headers = {"Accept": f"{LINES}, {PROBLEM}"}
        with self._transport.stream("GET", "/log/export", headers=headers, type=LINES) as stream:
            while data := stream.read():
                spool.write(data)
        spool.seek(0)

    def _write(self, folder: Path, line: bytes) -> None:
        try:
            file = msgspec.json.decode(line, type=_File)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise CorruptError(f"a line of the export is none: {str(error)[:200]}", place=self._place) from error
        if not _PATH.fullmatch(file.path) or any(part.startswith(".") for part in file.path.split("/")):
            raise CorruptError(f"{file.path[:200]!a} is no path of an export", place=self._place)
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as target:
            target.write(file.data)

    def _keys(self) -> KeysView:
        if self._told is None:
            self._told = self._run(KEYS, Nothing())
        return self._told

    def _entries(self, namespace: str, size: int, place: str) -> Iterator[bytes]:
        first = 0
        while first < size:
            page = self._run(
                ENTRIES, ReadEntries(namespace=namespace, first=first, limit=min(_PAGE, size - first))
            ).entries
            if not page:
                raise CorruptError(f"the log ends at {first}, not at {size}", place=place)
            for text in page[: size - first]:
                yield _bytes(text, place)
            first += len(page)


def _bytes(text: str, place: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise CorruptError("what should be base64 is not", place=place) from error
