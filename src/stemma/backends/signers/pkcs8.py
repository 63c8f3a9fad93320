"""Encrypted PKCS#8 (RFC 5958) by PBES2 with scrypt (RFC 7914) and AES-256-CBC, as `openssl pkcs8 -scrypt` writes it.

`cryptography` reads this form and writes another: PBKDF2 with so few rounds that a passphrase can be guessed quickly.
"""

import base64
import secrets
import textwrap

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.padding import PKCS7

_PBES2 = bytes.fromhex("06092a864886f70d01050d")
_SCRYPT = bytes.fromhex("06092b06010401da47040b")
_AES_256_CBC = bytes.fromhex("060960864801650304012a")
_COST, _BLOCK_SIZE, _PARALLEL = 1 << 14, 8, 5
_KEY, _SALT, _IV = 32, 16, 16


def encrypt(der: bytes, passphrase: bytes) -> bytes:
    """Return an EncryptedPrivateKeyInfo around a PrivateKeyInfo, both in DER; a guess costs 16 MiB and five rounds."""
    salt, iv = secrets.token_bytes(_SALT), secrets.token_bytes(_IV)
    key = Scrypt(salt=salt, length=_KEY, n=_COST, r=_BLOCK_SIZE, p=_PARALLEL).derive(passphrase)
    padder = PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES256(key), modes.CBC(iv)).encryptor()
    sealed = encryptor.update(padder.update(der) + padder.finalize()) + encryptor.finalize()
    cost = _sequence(_octets(salt), _integer(_COST), _integer(_BLOCK_SIZE), _integer(_PARALLEL))
    scheme = _sequence(_sequence(_SCRYPT, cost), _sequence(_AES_256_CBC, _octets(iv)))
    return _sequence(_sequence(_PBES2, scheme), _octets(sealed))


def to_pem(label: str, der: bytes) -> bytes:
    """Return DER as PEM (RFC 7468)."""
    lines = textwrap.wrap(base64.b64encode(der).decode(), 64)
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()


def _tagged(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:  # noqa: PLR2004 - the short form of X.690, 8.1.3.4
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def _sequence(*parts: bytes) -> bytes:
    return _tagged(0x30, b"".join(parts))


def _octets(content: bytes) -> bytes:
    return _tagged(0x04, content)


def _integer(value: int) -> bytes:
    return _tagged(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))
