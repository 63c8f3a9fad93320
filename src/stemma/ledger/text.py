"""Detached texts: messages and reasons that can be forgotten without breaking a proof.

A record or entry holds only the commitment, SHA-256("stemma text v1" || 0x00 || salt || text in UTF-8) with a salt of
32 random bytes. Without its salt a commitment says nothing about the text, not even to who guesses it.
"""

import hashlib

from stemma.errors import InvalidError, TooLargeError
from stemma.ledger.ports import TextTransaction
from stemma.records import Digest

SALT = 32
MAX_TEXT = 1 << 20
"""Bytes of one text; longer ones are artifacts."""

_LABEL = b"stemma text v1\x00"


def commitment_of(salt: bytes, text: str) -> Digest:
    """Return the commitment to `text` under `salt`; InvalidError for a wrong salt or a lone surrogate."""
    if len(salt) != SALT:
        raise InvalidError(f"a salt has {SALT} bytes, not {len(salt)}")
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise InvalidError(f"the text cannot be written as UTF-8: {error}") from error
    if len(data) > MAX_TEXT:
        raise TooLargeError(f"a text has at most {MAX_TEXT} bytes, not {len(data)}", hint="Push long texts as files.")
    return Digest.from_raw(hashlib.sha256(_LABEL + salt + data).digest())


def commit_text(tx: TextTransaction, text: str) -> Digest:
    """Store `text` detached and return its commitment, which is a new one each time."""
    if "\x00" in text:
        raise InvalidError("a text holds no NUL character")
    salt = tx.ids.random(SALT)
    commitment = commitment_of(salt, text)
    tx.texts.put(commitment, salt, text)
    return commitment
