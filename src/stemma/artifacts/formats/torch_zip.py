"""PyTorch's zip files (`torch.save` since 1.6, TorchScript): the storages are members, `data.pkl` says what they hold.

The pickle is only scanned, opcode by opcode, for the dtypes, names and shapes of storages; it is never loaded.
Format: https://github.com/pytorch/pytorch/blob/main/docs/source/notes/serialization.md
"""

import math
import pickletools
from collections.abc import Mapping
from dataclasses import dataclass, field

from stemma.artifacts.formats.layout import MalformedError, Reader, Span
from stemma.artifacts.formats.zip_members import Member, read_members

MAX_PICKLE = 16 << 20
MAX_OPCODES = 2_000_000
_PICKLE = "data.pkl"
# Storage class → dtype as safetensors spells it, bytes of one element.
_STORAGES: Mapping[str, tuple[str, int]] = {
    "DoubleStorage": ("F64", 8), "FloatStorage": ("F32", 4), "HalfStorage": ("F16", 2), "BFloat16Storage": ("BF16", 2),
    "LongStorage": ("I64", 8), "IntStorage": ("I32", 4), "ShortStorage": ("I16", 2), "CharStorage": ("I8", 1),
    "ByteStorage": ("U8", 1), "BoolStorage": ("BOOL", 1), "ComplexFloatStorage": ("C64", 8),
    "ComplexDoubleStorage": ("C128", 16),
}  # fmt: skip
_REMEMBERED = 256
_PERSISTENT = 5  # ('storage', class, key, location, elements)


class TorchZipFormat:
    """Cuts a PyTorch zip at its members."""

    name = "pytorch"

    def matches(self, head: bytes, size: int) -> bool:
        """Whether it begins as a zip."""
        return size > len(head) and head.startswith(b"PK\x03\x04")

    def layout(self, reader: Reader) -> list[Span] | None:
        """Return the members, storages with what the pickle says of them; None for another kind of zip."""
        members = read_members(reader)
        pickled = [member for member in members if member.name.rpartition("/")[2] == _PICKLE and member.stored]
        if not pickled:
            return None
        described: dict[str, _Storage] = {}
        for member in pickled:
            if member.length <= MAX_PICKLE:
                prefix = member.name.removesuffix(_PICKLE) + "data/"
                storages = scan_pickle(reader.read(member.offset, member.length))
                described |= {prefix + key: storage for key, storage in storages.items()}
        return [_span(member, described.get(member.name)) for member in members]


def _span(member: Member, storage: "_Storage | None") -> Span:
    if not member.stored:
        return Span(member.offset, member.length, "opaque", member.name)
    if storage is None or storage.elements * storage.width != member.length:
        return Span(member.offset, member.length, "member", member.name)
    shape = storage.shape if math.prod(storage.shape) == storage.elements else (storage.elements,)
    return Span(member.offset, member.length, "tensor", storage.name or member.name, storage.dtype, shape)


@dataclass(slots=True)
class _Storage:
    """What the pickle says of one storage; name and shape are those of the first tensor that views it."""

    dtype: str
    width: int
    elements: int
    name: str = ""
    shape: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Global:
    name: str


def scan_pickle(data: bytes) -> dict[str, _Storage]:
    """Return the storages that a `torch.save` pickle mentions, by key; nothing is executed.

    A MalformedError where it is not a pickle; after two million opcodes the rest is left unread.
    """
    scan = _Scan()
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
            if count > MAX_OPCODES:
                break
            scan.step(opcode.name, argument)
    except (ValueError, IndexError, RecursionError, OverflowError) as error:
        raise MalformedError(f"data.pkl is not a pickle: {str(error)[:200]}") from error
    return scan.storages


@dataclass(slots=True)
class _Scan:
    """Follows the values that a pickle pushes, as far as storages need it; what it does not know it passes over."""

    storages: dict[str, _Storage] = field(default_factory=dict)
    _values: list[object] = field(default_factory=list)  # the last values pushed
    _memo: dict[int, object] = field(default_factory=dict)
    _name: str = ""
    _viewed: _Storage | None = None  # the storage whose shape comes next

    def step(self, name: str, argument: object) -> None:
        match name:
            case "BINUNICODE" | "SHORT_BINUNICODE" | "BINUNICODE8" | "UNICODE":
                self._push(argument)
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "INT" | "LONG":
                self._push(argument)
            case "GLOBAL":
                self._push_global(str(argument))
            case "STACK_GLOBAL":
                self._push_global(" ".join(map(str, self._values[-2:])))
            case "BINPUT" | "LONG_BINPUT" | "PUT" if isinstance(argument, int):
                self._memo[argument] = self._values[-1] if self._values else None
            case "MEMOIZE":
                self._memo[len(self._memo)] = self._values[-1] if self._values else None
            case "BINGET" | "LONG_BINGET" | "GET" if isinstance(argument, int):
                self._recall(self._memo.get(argument))
            case "BINPERSID":
                self._name_storage()
            case "TUPLE" | "TUPLE1" | "TUPLE2" | "TUPLE3" | "EMPTY_TUPLE":
                self._end_tuple()
            case _:
                pass

    def _push(self, value: object) -> None:
        self._values.append(value)
        if len(self._values) > _REMEMBERED:
            del self._values[: -_REMEMBERED // 2]

    def _recall(self, value: object) -> None:
        if isinstance(value, _Global):
            self._push_global(value.name)
        else:
            self._push(value)

    def _push_global(self, name: str) -> None:
        if "_rebuild_tensor" in name:
            before = self._values[-1] if self._values else ""
            self._name = before if isinstance(before, str) else ""
        self._push(_Global(name))

    def _name_storage(self) -> None:
        match self._values[-_PERSISTENT:]:
            case [_, _Global(name=name), str() as key, _, int() as elements]:
                described = _STORAGES.get(name.rpartition(" ")[2])
                if described is not None and key not in self.storages:
                    self.storages[key] = self._viewed = _Storage(*described, elements, self._name)
            case _:
                pass
        self._name = ""
        self._values.clear()

    def _end_tuple(self) -> None:
        """Read the shape: behind the storage stand its offset and then the tuple of lengths."""
        if self._viewed is None:
            return
        offset, *lengths = self._values or [None]
        if offset == 0 and all(isinstance(length, int) for length in lengths):
            self._viewed.shape = tuple(length for length in lengths if isinstance(length, int))
        self._viewed = None
