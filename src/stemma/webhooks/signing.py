"""Signing and verifying deliveries: Standard Webhooks 1.0.0, symmetric scheme `v1`.

What is signed is `{webhook-id}.{webhook-timestamp}.{body}` by HMAC-SHA256. The id is the same at every attempt, the
timestamp is that of the attempt. https://github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from stemma.errors import InvalidError, UnauthenticatedError

PREFIX = "whsec_"
TOLERANCE = 300
"""Seconds that the time of an attempt may lie away from the receiver's clock."""
LEAST_SECRET, MOST_SECRET, NEW_SECRET = 24, 64, 32
"""Bytes of a secret."""
ID_HEADER, TIME_HEADER, SIGNATURE_HEADER = "webhook-id", "webhook-timestamp", "webhook-signature"
_ID = re.compile(r"[A-Za-z0-9_-]{1,256}", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,15}", re.ASCII)
_MOST_SIGNATURES = 10


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt whose signature holds: `id` names the event at every attempt, `timestamp` is in seconds."""

    id: str
    timestamp: int


def write_secret(secret: bytes) -> str:
    """Return a secret as people are shown it."""
    return PREFIX + base64.b64encode(secret).decode()


def read_secret(text: str) -> bytes:
    """Read a secret of 24 to 64 bytes in base64, with or without `whsec_`; else an InvalidError that hides it."""
    try:
        secret = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidError("the secret is not in base64", hint=f"It begins with {PREFIX!r}.") from error
    if not LEAST_SECRET <= len(secret) <= MOST_SECRET:
        raise InvalidError(f"the secret has {len(secret)} bytes, not {LEAST_SECRET} to {MOST_SECRET}")
    return secret


def sign(secret: bytes, attempt: Attempt, body: bytes) -> dict[str, str]:
    """Return the three headers of an attempt."""
    return {
        ID_HEADER: attempt.id,
        TIME_HEADER: str(attempt.timestamp),
        SIGNATURE_HEADER: f"v1,{base64.b64encode(_digest(secret, attempt, body)).decode()}",
    }


def verify(
    secrets: Iterable[str], headers: Mapping[str, str], body: bytes, *, now: float, tolerance: int = TOLERANCE
) -> Attempt:
    """Return the attempt that one of `secrets` signed, at most `tolerance` seconds from `now`.

    Else an UnauthenticatedError. A repeated attempt passes within the tolerance: whoever must not act twice remembers
    the ids that it has seen for that long.
    """
    found = {name.lower(): value for name, value in headers.items()}
    id_, time, signatures = (found.get(name, "") for name in (ID_HEADER, TIME_HEADER, SIGNATURE_HEADER))
    if not _ID.fullmatch(id_) or not _SECONDS.fullmatch(time):
        raise UnauthenticatedError("this is no signed delivery: its headers are missing or malformed")
    attempt = Attempt(id_, int(time))
    if abs(now - attempt.timestamp) > tolerance:
        raise UnauthenticatedError(
            f"this delivery was signed more than {tolerance} s away from now",
            hint="It is a replay, or one of the two clocks is wrong.",
        )
    expected = [_digest(read_secret(secret), attempt, body) for secret in secrets]
    given = [_decoded(part) for part in signatures.split(" ")[:_MOST_SIGNATURES]]
    matches = [hmac.compare_digest(one, other) for one in given for other in expected]
    if not any(matches):
        raise UnauthenticatedError("no signature of this delivery holds", hint="Check the secret of the webhook.")
    return attempt


def _digest(secret: bytes, attempt: Attempt, body: bytes) -> bytes:
    return hmac.new(secret, f"{attempt.id}.{attempt.timestamp}.".encode() + body, hashlib.sha256).digest()


def _decoded(signature: str) -> bytes:
    """Return the bytes of a `v1` signature, none of any other."""
    version, _, encoded = signature.partition(",")
    try:
        return base64.b64decode(encoded, validate=True) if version == "v1" else b""
    except (binascii.Error, ValueError):
        return b""
