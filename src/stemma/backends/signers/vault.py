"""The vault: seals what must be read again, such as the secrets of webhooks, before it goes into the database.

ChaCha20-Poly1305 (RFC 8439) under a key that HKDF-SHA-256 (RFC 5869) derives from the repository's small key: whoever
has the database, or a copy of it, but not the folder of keys, reads nothing.
"""

from dataclasses import dataclass, field
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from stemma.errors import CorruptError

_NONCE = 12
_KEY = 32


@dataclass(frozen=True, slots=True)
class KeyVault:
    """Seals with one key, which its text never shows."""

    _cipher: ChaCha20Poly1305 = field(repr=False)

    @classmethod
    def of(cls, key: bytes, purpose: str) -> Self:
        """Return the vault for a purpose; other purposes get other keys."""
        derived = HKDF(SHA256(), _KEY, salt=None, info=f"stemma vault v1 {purpose}".encode()).derive(key)
        return cls(ChaCha20Poly1305(derived))

    def seal(self, plain: bytes, nonce: bytes, context: str) -> bytes:
        """Return the nonce and what was sealed for `context`."""
        return nonce + self._cipher.encrypt(nonce, plain, context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        """Return what was sealed for `context`."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], context.encode())
        except (InvalidTag, ValueError) as error:
            raise CorruptError(
                "a sealed secret cannot be opened: it was changed, or another key sealed it",
                place=context,
                hint="Restore keys/paging.key from a backup, or remove the webhook and add it again.",
            ) from error
