"""Blocks on their way into a pack and out of it: the choice of a codec, and the checks on the way back."""

from collections.abc import Mapping
from dataclasses import dataclass

from stemma.artifacts.codecs.codec import RAW, ZSTD, Codec
from stemma.artifacts.codecs.raw import RawCodec
from stemma.artifacts.codecs.zstd import ZstdCodec
from stemma.artifacts.packs.pack import NO_BASE, RECORD_HEADER_SIZE, StoredBlock, check_of
from stemma.artifacts.packs.recipe import BLOCK_SIZE, BlockId, block_id
from stemma.errors import CorruptError, UnsupportedError

_RAW = RawCodec()
_ZSTD = ZstdCodec()
CODECS: Mapping[int, Codec] = {codec.number: codec for codec in (_RAW, _ZSTD)}


@dataclass(frozen=True, slots=True)
class EncodedBlock:
    """A block ready to be written: its id, how many bytes it is raw, the codec's number, what is stored, its check."""

    id: BlockId
    raw: int
    codec: int
    stored: bytes
    check: bytes

    def at(self, offset: int) -> StoredBlock:
        """Return its row for a record at `offset`."""
        return StoredBlock(self.id, offset, len(self.stored), self.raw, self.codec, self.check)


def encode_block(id_: BlockId, data: bytes | memoryview) -> EncodedBlock:
    """Encode `data`, whose id is `id_`, by the codec that serves it best."""
    frame = _ZSTD.encode(data)
    codec, stored = (RAW, bytes(data)) if frame is None else (ZSTD, frame)
    return EncodedBlock(id_, len(data), codec, stored, check_of(stored))


def decode_block(block: StoredBlock, stored: bytes, *, place: str) -> bytes:
    """Return the content of a block whose stored bytes are `stored`, checked against its id.

    CorruptError if it is not that content, UnsupportedError for a codec or a base that this release does not know.
    """
    codec = CODECS.get(block.codec)
    if codec is None or block.base != NO_BASE:
        what = f"codec {block.codec}" if codec is None else "a difference to another block"
        raise UnsupportedError(f"the block is written by {what}", hint="Use a newer Stemma to read it.", place=place)
    if block.raw > BLOCK_SIZE:
        raise CorruptError(f"a block of {block.raw} bytes; at most {BLOCK_SIZE} are possible", place=place)
    try:
        data = codec.decode(stored, block.raw)
    except CorruptError as error:
        raise CorruptError(error.message, place=place) from error
    if block_id(data) != block.id:
        raise CorruptError("the block's content does not match its BLAKE3", place=place)
    return data


def check_record(block: StoredBlock, record: bytes, *, place: str) -> bytes:
    """Return the stored bytes of a whole record, every byte of it checked: header against the row, then content."""
    header, stored = record[:RECORD_HEADER_SIZE], record[RECORD_HEADER_SIZE:]
    if header != block.header():
        raise CorruptError("the block's header does not match the footer", place=place)
    if len(stored) != block.stored or check_of(stored) != block.check:
        raise CorruptError("the block's stored bytes do not match their check", place=place)
    return stored


def pack_place(pack: str, offset: int) -> str:
    """Say where in a pack something is, for people."""
    return f"pack {pack}, offset {offset}"
