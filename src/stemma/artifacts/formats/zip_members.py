"""The members of a zip archive, by a strict reading of APPNOTE.TXT 6.3.10: where each member's data begins and ends.

Offsets come from the local headers, which must agree with the central directory; nothing is decompressed, so
that no archive can be a bomb. Encrypted, split, overlapping or doubly listed archives are malformed.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from stemma.artifacts.formats.layout import MalformedError, Reader

MAX_MEMBERS = 200_000
MAX_DIRECTORY = 64 << 20
STORED = 0
_END = struct.Struct("<4sHHHHIIH")
_END64_LOCATOR = struct.Struct("<4sIQI")
_END64 = struct.Struct("<4sQHHIIQQQQ")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_MAX_COMMENT = 65_535
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_MAX16, _MAX32 = 0xFFFF, 0xFFFFFFFF
_ZIP64_EXTRA = 1


@dataclass(frozen=True, slots=True)
class Member:
    """One member: `offset` and `length` of its data in the archive, `size` when decompressed."""

    name: str
    method: int
    offset: int
    length: int
    size: int

    @property
    def stored(self) -> bool:
        """Whether the data are the bytes themselves."""
        return self.method == STORED


def read_members(reader: Reader) -> list[Member]:
    """Return the members, sorted by offset; a MalformedError for everything unusual."""
    count, length, offset = _find_directory(reader)
    if count > MAX_MEMBERS or length > MAX_DIRECTORY:
        raise MalformedError(f"a directory of {count} members in {length} bytes")
    directory = _exactly(reader, offset, length, "the directory")
    members: list[Member] = []
    names: set[bytes] = set()
    at = 0
    while at < length:
        entry, at = _read_entry(directory, at)
        if entry.raw_name in names:
            raise MalformedError(f"two members are called {entry.raw_name[:80]!a}")
        names.add(entry.raw_name)
        members.append(_locate(reader, entry, offset))
    if len(members) != count:
        raise MalformedError(f"{count} members are announced, {len(members)} are listed")
    return sorted(members, key=lambda member: (member.offset, member.length))


@dataclass(frozen=True, slots=True)
class _Entry:
    raw_name: bytes
    method: int
    length: int
    size: int
    header: int


def _find_directory(reader: Reader) -> tuple[int, int, int]:
    start = max(0, reader.size - _END.size - _MAX_COMMENT)
    tail = reader.read(start, reader.size - start)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + _END.size > len(tail):
        raise MalformedError("the zip has no end record")
    _, disk, first, here, count, length, offset, comment = _END.unpack_from(tail, at)
    if at + _END.size + comment != len(tail):
        raise MalformedError("bytes behind the end of the zip")
    if disk not in {0, _MAX16} or first not in {0, _MAX16} or here != count:
        raise MalformedError("a zip that is split over several files")
    end = start + at
    # PyTorch writes a zip64 record also where nothing needs it: then both say the same.
    classic = (count, length, offset)
    if _MAX16 in (count, disk) or _MAX32 in (length, offset) or _has_locator(reader, end):
        count, length, offset, end = _find_directory64(reader, end)
        wide = (count, length, offset)
        if any(a not in {b, limit} for a, b, limit in zip(classic, wide, (_MAX16, _MAX32, _MAX32), strict=True)):
            raise MalformedError("the two end records of the zip do not agree")
    if offset + length != end:
        raise MalformedError("the zip's directory is not in front of its end record")
    return count, length, offset


def _has_locator(reader: Reader, end: int) -> bool:
    at = end - _END64_LOCATOR.size
    return at >= 0 and reader.read(at, 4) == b"PK\x06\x07"


def _find_directory64(reader: Reader, end: int) -> tuple[int, int, int, int]:
    locator = _exactly(reader, end - _END64_LOCATOR.size, _END64_LOCATOR.size, "the zip64 locator")
    signature, _, at, _ = _END64_LOCATOR.unpack(locator)
    if signature != b"PK\x06\x07" or at + _END64.size > end - _END64_LOCATOR.size:
        raise MalformedError("the zip has no zip64 locator")
    record = _END64.unpack(_exactly(reader, at, _END64.size, "the zip64 end record"))
    signature, size, _, _, disk, first, here, count, length, offset = record
    if signature != b"PK\x06\x06" or disk or first or here != count or at + 12 + size != end - _END64_LOCATOR.size:
        raise MalformedError("the zip64 end record does not fit")
    return count, length, offset, at


def _read_entry(directory: bytes, at: int) -> tuple[_Entry, int]:
    if at + _CENTRAL.size > len(directory):
        raise MalformedError("the zip's directory ends early")
    fields = _CENTRAL.unpack_from(directory, at)
    signature, flags, method = fields[0], fields[3], fields[4]
    length, size, name_length, extra_length, comment = fields[8:13]
    disk, header = fields[13], fields[16]
    name_at = at + _CENTRAL.size
    extra_at = name_at + name_length
    end = extra_at + extra_length + comment
    if signature != b"PK\x01\x02" or end > len(directory) or disk not in {0, _MAX16}:
        raise MalformedError("a damaged entry in the zip's directory")
    if flags & _ENCRYPTED:
        raise MalformedError("an encrypted member")
    wide = [value == _MAX32 for value in (size, length, header)]
    if any(wide):
        numbers = _zip64_numbers(directory[extra_at : extra_at + extra_length], sum(wide))
        size, length, header = (
            next(numbers) if is_wide else value for is_wide, value in zip(wide, (size, length, header), strict=True)
        )
    if method == STORED and length != size:
        raise MalformedError("a member that is stored with another length than its own")
    return _Entry(directory[name_at:extra_at], method, length, size, header), end


def _zip64_numbers(extra: bytes, count: int) -> Iterator[int]:
    at = 0
    while at + 4 <= len(extra):
        tag, length = struct.unpack_from("<HH", extra, at)
        if tag == _ZIP64_EXTRA and 8 * count <= length <= len(extra) - at - 4:
            return iter(struct.unpack_from(f"<{count}Q", extra, at + 4))
        at += 4 + length
    raise MalformedError("a large member without its zip64 sizes")


def _locate(reader: Reader, entry: _Entry, limit: int) -> Member:
    header = _exactly(reader, entry.header, _LOCAL.size, "a local header")
    fields = _LOCAL.unpack(header)
    name_length, extra_length = fields[9:11]
    name = _exactly(reader, entry.header + _LOCAL.size, name_length, "a member's name")
    offset = entry.header + _LOCAL.size + name_length + extra_length
    if fields[0] != b"PK\x03\x04" or fields[3] != entry.method or name != entry.raw_name:
        raise MalformedError(f"the local header of {entry.raw_name[:80]!a} does not agree with the directory")
    if offset + entry.length > limit:
        raise MalformedError(f"member {entry.raw_name[:80]!a} reaches into the directory")
    return Member(name.decode("utf-8", "backslashreplace"), entry.method, offset, entry.length, entry.size)


def _exactly(reader: Reader, offset: int, length: int, what: str) -> bytes:
    if offset < 0 or offset + length > reader.size:
        raise MalformedError(f"{what} would stand at offset {offset}, outside the file")
    return reader.read(offset, length)
