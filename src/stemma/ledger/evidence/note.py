"""Signed notes and verifier keys, as C2SP signed-note v1 writes them, and nothing that it does not write.

A note is a text and one signature line per key. Reading is strict: `SignedNote.decode` accepts exactly what `encode`
returns. Which signatures are wanted, and whether they hold, is the business of `checkpoint`.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Self

from stemma.errors import CorruptError, InvalidError, UnsupportedError
from stemma.records import Digest

MAX_NOTE = 1 << 16
MAX_SIGNATURES = 16
MAX_KEY_NAME = 255
"""Bytes of a key's name: what its length prefix in the message for ML-DSA-44 can say."""
_KEY_ID = 4
_DASH = "— "


class Algorithm(IntEnum):
    """How a key signs: the signature type byte of C2SP signed-note."""

    ED25519 = 0x01
    """Ed25519 (RFC 8032) over the text of the note."""
    ML_DSA_44 = 0x06
    """ML-DSA-44 (FIPS 204) over the cosigned message of C2SP tlog-cosignature."""

    @property
    def public_key_size(self) -> int:
        """Bytes of a public key."""
        return 32 if self is Algorithm.ED25519 else 1312

    @property
    def signature_size(self) -> int:
        """Bytes of a bare signature."""
        return 64 if self is Algorithm.ED25519 else 2420


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key in the raw encoding of RFC 8032 or FIPS 204."""

    algorithm: Algorithm
    raw: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.raw) != self.algorithm.public_key_size:
            size = self.algorithm.public_key_size
            raise InvalidError(f"a public key for {self.algorithm.name} has {size} bytes, not {len(self.raw)}")

    @property
    def fingerprint(self) -> Digest:
        """What people compare and pin: the SHA-256 over the signature type byte and the key."""
        return Digest.of(bytes([self.algorithm]) + self.raw)


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key under a name; printed `name+id+base64`, a C2SP vkey. `parse` and `str` are inverses."""

    name: str
    key: PublicKey

    def __post_init__(self) -> None:
        if not is_key_name(self.name) or len(self.name.encode()) > MAX_KEY_NAME:
            raise InvalidError(
                f"{self.name[:80]!r} cannot name a key",
                hint=f"Use no spaces and no '+', and at most {MAX_KEY_NAME} bytes.",
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a vkey; InvalidError for another form or a wrong id, UnsupportedError for an unknown algorithm."""
        name, _, rest = text.partition("+")
        key_id, _, material = rest.partition("+")
        data = decode_base64(material)
        if not data or not is_key_name(name):
            raise InvalidError(f"{text[:80]!r} is not a verifier key", hint="It is name+id+base64 on one line.")
        if key_id != _key_id(name, data).hex():
            raise InvalidError(f"the key {name!r} has the id {_key_id(name, data).hex()}, not {key_id[:80]!r}")
        if data[0] not in set(Algorithm):
            raise UnsupportedError(f"signature type 0x{data[0]:02x} of the key {name!r} is not supported")
        return cls(name, PublicKey(Algorithm(data[0]), data[1:]))

    def __str__(self) -> str:
        material = base64.b64encode(bytes([self.key.algorithm]) + self.key.raw).decode()
        return f"{self.name}+{self.key_id.hex()}+{material}"

    @property
    def key_id(self) -> bytes:
        """The four bytes by which a signature line names this key."""
        return _key_id(self.name, bytes([self.key.algorithm]) + self.key.raw)


@dataclass(frozen=True, slots=True)
class SignatureLine:
    """One signature under a note: the key's name and id, and bytes whose meaning the key's algorithm gives."""

    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        return f"{_DASH}{self.name} {base64.b64encode(self.key_id + self.signature).decode()}\n"


@dataclass(frozen=True, slots=True)
class SignedNote:
    """A text that ends in a newline, and the signatures under it."""

    text: str
    signatures: tuple[SignatureLine, ...]

    def encode(self) -> bytes:
        """Return the note as it is stored and sent."""
        return (self.text + "\n" + "".join(map(str, self.signatures))).encode()

    @classmethod
    def decode(cls, data: bytes, *, place: str) -> Self:
        """Read a note; anything but the exact form is a CorruptError with `place`."""
        if len(data) > MAX_NOTE:
            raise CorruptError(f"a note has at most {MAX_NOTE} bytes, not {len(data)}", place=place)
        try:
            content = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise CorruptError(f"the note is not UTF-8: {error}", place=place) from error
        text, blank, below = content.rpartition("\n\n")
        lines = below.split("\n")
        if not blank or lines.pop() or any(ord(character) < ord(" ") for character in content if character != "\n"):
            raise CorruptError("not a text, a blank line and lines with signatures", place=place)
        if not 1 <= len(lines) <= MAX_SIGNATURES:
            raise CorruptError(f"a note has 1 to {MAX_SIGNATURES} signatures, not {len(lines)}", place=place)
        return cls(text + "\n", tuple(_read_line(line, place) for line in lines))


def is_key_name(text: str) -> bool:
    """Return whether `text` can name a key: not empty, without spaces, control characters and '+'."""
    return bool(text) and "+" not in text and not any(each.isspace() or not each.isprintable() for each in text)


def decode_base64(text: str) -> bytes:
    """Return what `text` stands for; empty for anything that is not its one standard encoding."""
    try:
        data = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return b""
    return data if base64.b64encode(data).decode() == text else b""


def _key_id(name: str, material: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + material).digest()[:_KEY_ID]


def _read_line(line: str, place: str) -> SignatureLine:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    data = decode_base64(encoded)
    if not line.startswith(_DASH) or not space or not is_key_name(name) or len(data) <= _KEY_ID:
        raise CorruptError(f"{line[:80]!r} is not a line with a signature", place=place)
    return SignatureLine(name, data[:_KEY_ID], data[_KEY_ID:])
