"""Key files: the two private keys of one purpose, Ed25519 and ML-DSA-44, in one file of two PEM blocks.

Each block is PKCS#8 with the 32-byte seed (RFC 8410, RFC 9881), encrypted where a passphrase is given. A key file is
written once, whole and durable, readable by its owner alone, and never overwritten.
"""

import os
import re
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TypeAlias

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from stemma.backends.signers.pkcs8 import encrypt, to_pem
from stemma.errors import (
    AlreadyExistsError,
    CorruptError,
    InvalidError,
    NotFoundError,
    UnauthenticatedError,
    UnavailableError,
)
from stemma.ledger.evidence.note import Algorithm, PublicKey

_Private: TypeAlias = Ed25519PrivateKey | MLDSA44PrivateKey

_MAX_FILE = 1 << 16
_BLOCK = re.compile(
    rb"-----BEGIN (?:ENCRYPTED )?PRIVATE KEY-----\n[A-Za-z0-9+/=\n]+-----END (?:ENCRYPTED )?PRIVATE KEY-----\n"
)
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class FileSigner:
    """A private key that was read from a file and is kept in memory; its text never shows the key."""

    public_key: PublicKey
    _private: _Private = field(repr=False)

    @classmethod
    def of(cls, private: _Private) -> Self:
        """Return the signer with a private key."""
        algorithm = Algorithm.ED25519 if isinstance(private, Ed25519PrivateKey) else Algorithm.ML_DSA_44
        return cls(PublicKey(algorithm, private.public_key().public_bytes_raw()), private)

    def sign(self, message: bytes) -> bytes:
        """Return the signature over `message`."""
        return self._private.sign(message)


def key_file(folder: Path, purpose: str) -> Path:
    """Return where the keys of a purpose lie, one of versions, log, federation, backup."""
    return folder / f"{purpose}.pem"


def create_keys(folder: Path, purpose: str, passphrase: bytes | None = None) -> tuple[FileSigner, FileSigner]:
    """Make new keys and store them durably; AlreadyExistsError where there are some, which stay as they are."""
    keys: tuple[_Private, _Private] = (Ed25519PrivateKey.generate(), MLDSA44PrivateKey.generate())
    path = key_file(folder, purpose)
    if passphrase == b"":
        raise InvalidError("the passphrase is empty", hint="Give none to store the keys unencrypted.")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _publish(path, b"".join(_encode(key, passphrase) for key in keys))
    except FileExistsError as error:
        raise AlreadyExistsError(f"there are keys for {purpose} already", place=str(path)) from error
    except OSError as error:
        raise UnavailableError(f"the keys cannot be written: {error.strerror}", place=str(path)) from error
    return FileSigner.of(keys[0]), FileSigner.of(keys[1])


def load_keys(folder: Path, purpose: str, passphrase: bytes | None = None) -> tuple[FileSigner, FileSigner]:
    """Read the keys of a purpose.

    Raises NotFoundError where there are none, InvalidError where others may read them, UnauthenticatedError for a wrong
    or missing passphrase, CorruptError for anything but a key file, UnavailableError where it cannot be read.
    """
    path = key_file(folder, purpose)
    data = _read(path)
    blocks = _BLOCK.findall(data)
    if b"".join(blocks) != data:
        raise CorruptError("not a file of private keys in PEM", place=str(path), hint="Restore it from a backup.")
    keys = [_decode(block, passphrase, path) for block in blocks]
    match keys:
        case [Ed25519PrivateKey() as first, MLDSA44PrivateKey() as second]:
            return FileSigner.of(first), FileSigner.of(second)
        case _:
            raise CorruptError("not one key for Ed25519 and one for ML-DSA-44", place=str(path))


def _encode(key: _Private, passphrase: bytes | None) -> bytes:
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    if passphrase is None:
        return to_pem("PRIVATE KEY", der)
    return to_pem("ENCRYPTED PRIVATE KEY", encrypt(der, passphrase))


def _decode(block: bytes, passphrase: bytes | None, path: Path) -> object:
    encrypted = block.startswith(b"-----BEGIN ENCRYPTED")
    if encrypted and not passphrase:
        raise UnauthenticatedError("the keys are encrypted", place=str(path), hint="Give their passphrase.")
    try:
        return load_pem_private_key(block, passphrase if encrypted else None)
    except (ValueError, TypeError) as error:
        if encrypted:
            message = "the passphrase does not open the keys"
            raise UnauthenticatedError(message, place=str(path), hint="Give the one they were made with.") from error
        raise CorruptError(f"not a private key: {error}", place=str(path)) from error


def _publish(path: Path, data: bytes) -> None:
    """Write a new file whole or not at all; FileExistsError where there is one."""
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - of a descriptor, not a path
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        os.link(unfinished, path)
    finally:
        unfinished.unlink()
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            _check_mode(os.fstat(descriptor).st_mode, path)
            return os.read(descriptor, _MAX_FILE)
        finally:
            os.close(descriptor)
    except FileNotFoundError as error:
        raise NotFoundError("there are no keys", place=str(path), hint="'stemma init' makes them.") from error
    except OSError as error:
        raise UnavailableError(f"the keys cannot be read: {error.strerror}", place=str(path)) from error


def _check_mode(mode: int, path: Path) -> None:
    if not stat.S_ISREG(mode):
        raise CorruptError("not a file of keys", place=str(path))
    if mode & _OTHERS:
        message = f"others may read the keys: mode {stat.S_IMODE(mode):04o}"
        raise InvalidError(message, place=str(path), hint=f"Run 'chmod 600 {path}', and consider new keys.")
