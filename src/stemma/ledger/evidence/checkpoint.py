"""Checkpoints: the root of a log at a size, signed with Ed25519 and with ML-DSA-44.

The note's text is three lines: origin, size, root in base64 (C2SP tlog-checkpoint). Extension lines are refused, since
ML-DSA-44 signatures do not cover them. Both signatures are always wanted: with one of them enough, the other could be
stripped. Which keys and algorithms count is said by the verifier's policy, never by the note.
"""

import base64
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self, assert_never

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from stemma.errors import CorruptError, InvalidError
from stemma.ledger.evidence.note import (
    Algorithm,
    PublicKey,
    SignatureLine,
    SignedNote,
    VerifierKey,
    decode_base64,
    is_key_name,
)
from stemma.ledger.tree import EMPTY_ROOT, HASH
from stemma.records import MAX_SAFE_INTEGER

REQUIRED = (Algorithm.ED25519, Algorithm.ML_DSA_44)
MAX_ORIGIN = 255
"""Bytes of an origin: what its length prefix in the message for ML-DSA-44 can say."""

_LABEL = b"subtree/v1\n\x00"
_MICROSECONDS = 1_000_000
_MAX_SECONDS = 2**63 - 1


class Signer(Protocol):
    """A private key somewhere: a file, a token, a service. `sign` answers a bare signature over exactly `message`.

    It raises UnavailableError where the key cannot be reached.
    """

    @property
    def public_key(self) -> PublicKey: ...  # noqa: D102 - the class says it

    def sign(self, message: bytes, /) -> bytes: ...  # noqa: D102 - the class says it


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The root hash of the log `origin` over its first `size` entries."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not is_key_name(self.origin) or len(self.origin.encode()) > MAX_ORIGIN:
            raise InvalidError(f"{self.origin[:80]!r} is not the origin of a log")
        if not 0 <= self.size <= MAX_SAFE_INTEGER or len(self.root) != HASH:
            raise InvalidError(f"a root of {len(self.root)} bytes at size {self.size} is no checkpoint")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise InvalidError("an empty log has the hash of nothing as its root")

    @property
    def text(self) -> str:
        """The text of the note."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a note; anything but the exact form is an InvalidError."""
        lines = text.split("\n")
        if len(lines) != 4 or lines[3]:  # noqa: PLR2004 - three lines, each ended
            raise InvalidError("a checkpoint is three lines: origin, size, root")
        size = int(lines[1]) if lines[1].isascii() and lines[1].isdigit() and len(lines[1]) <= HASH else -1
        checkpoint = cls(lines[0], size, decode_base64(lines[2]))
        if checkpoint.text != text:
            raise InvalidError(f"{lines[1]!r} is not a size without leading zeros")
        return checkpoint


@dataclass(frozen=True, slots=True)
class Policy:
    """The keys that must have signed a note, each once, in this order; one of each required algorithm.

    Lines by other keys are refused, unless `ignores_others`: then they are passed over, as witnesses' are for those
    who do not know them.
    """

    keys: tuple[VerifierKey, ...]
    ignores_others: bool = False

    def __post_init__(self) -> None:
        if tuple(sorted(key.key.algorithm for key in self.keys)) != REQUIRED:
            names = " and ".join(each.name for each in REQUIRED)
            raise InvalidError(f"a log is signed by exactly one key for {names} each")


@dataclass(frozen=True, slots=True)
class Verified:
    """A checkpoint whose signatures hold; `time` is when the log signed it, in microseconds since the epoch."""

    checkpoint: Checkpoint
    time: int


def repository_name(repository: str) -> str:
    """Return what the origins of all logs of a repository begin with, and its keys are named."""
    return f"stemma/{repository}"


def policy_for(name: str, keys: Sequence[PublicKey], *, ignores_others: bool = False) -> Policy:
    """Return the policy that the notes of the log `name` are signed by exactly `keys`."""
    ordered = sorted(keys, key=lambda key: key.algorithm)
    return Policy(tuple(VerifierKey(name, key) for key in ordered), ignores_others)


def sign_checkpoint(checkpoint: Checkpoint, signers: Sequence[Signer], time: int) -> bytes:
    """Return the note over `checkpoint`, signed by each of `signers`, in the order of their algorithms.

    `time` is in microseconds; the note keeps whole seconds. Each signer's signature is verified before it is used.
    """
    by_key = {signer.public_key: signer for signer in signers}
    seconds = time // _MICROSECONDS
    lines: list[SignatureLine] = []
    for key in policy_for(checkpoint.origin, [signer.public_key for signer in signers]).keys:
        message = _message(checkpoint, key, seconds)
        signature = by_key[key.key].sign(message)
        verify_signature(key.key, message, signature, place=f"signer {key.key.fingerprint.short}")
        prefix = seconds.to_bytes(8, "big") if key.key.algorithm is Algorithm.ML_DSA_44 else b""
        lines.append(SignatureLine(key.name, key.key_id, prefix + signature))
    return SignedNote(checkpoint.text, tuple(lines)).encode()


def verify_checkpoint(data: bytes, policy: Policy, *, place: str) -> Verified:
    """Return what a note says, once every signature that `policy` asks for holds; else a CorruptError."""
    note = SignedNote.decode(data, place=place)
    try:
        checkpoint = Checkpoint.parse(note.text)
    except InvalidError as error:
        raise CorruptError(error.message, place=place) from error
    wanted = {(key.name, key.key_id): key for key in policy.keys}
    lines = [line for line in note.signatures if (line.name, line.key_id) in wanted]
    if len(lines) < len(note.signatures) and not policy.ignores_others:
        raise CorruptError("the note carries a signature by a key that is not pinned", place=place)
    if [(line.name, line.key_id) for line in lines] != list(wanted):
        needed = " and ".join(f"{key.key.algorithm.name} {key.key_id.hex()}" for key in policy.keys)
        raise CorruptError(f"the note is not signed once each by {needed}", place=place)
    seconds = 0
    for line, key in zip(lines, policy.keys, strict=True):
        signature = line.signature
        if key.key.algorithm is Algorithm.ML_DSA_44:
            seconds, signature = int.from_bytes(signature[:8], "big"), signature[8:]
            if seconds > _MAX_SECONDS:
                raise CorruptError(f"{seconds} seconds is beyond what a cosignature may say", place=place)
        verify_signature(key.key, _message(checkpoint, key, seconds), signature, place=place)
    return Verified(checkpoint, seconds * _MICROSECONDS)


def verify_signature(key: PublicKey, message: bytes, signature: bytes, *, place: str) -> None:
    """Check one bare signature; CorruptError where it does not hold."""
    if len(signature) != key.algorithm.signature_size:
        size = key.algorithm.signature_size
        raise CorruptError(f"a signature by {key.algorithm.name} has {size} bytes, not {len(signature)}", place=place)
    try:
        match key.algorithm:
            case Algorithm.ED25519:
                Ed25519PublicKey.from_public_bytes(key.raw).verify(signature, message)
            case Algorithm.ML_DSA_44:
                MLDSA44PublicKey.from_public_bytes(key.raw).verify(signature, message)
            case other:
                assert_never(other)
    except (InvalidSignature, ValueError) as error:
        raise CorruptError(f"the signature by {key.algorithm.name} does not hold", place=place) from error


def _message(checkpoint: Checkpoint, key: VerifierKey, seconds: int) -> bytes:
    """Return what `key` signs: the note's text, or for ML-DSA-44 the `cosigned_message` of C2SP tlog-cosignature."""
    if key.key.algorithm is Algorithm.ED25519:
        return checkpoint.text.encode()
    name, origin = key.name.encode(), checkpoint.origin.encode()
    head = _LABEL + bytes([len(name)]) + name + seconds.to_bytes(8, "big") + bytes([len(origin)]) + origin
    return head + struct.pack(">QQ", 0, checkpoint.size) + checkpoint.root
