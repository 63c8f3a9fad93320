"""Authentication: which token a request carries.

`Authorization: Bearer TOKEN`, or `Basic` with the token as the password and any name, which is what the clients of
foreign protocols can send (RFC 6750, RFC 7617). Who holds the token is for `access` to say.
"""

import base64
import binascii

from stemma.errors import UnauthenticatedError

_MAX = 1024


def token_of(header: bytes | None) -> str | None:
    """Return the token in an `Authorization` header, None where there is none; UnauthenticatedError for any other."""
    if header is None:
        return None
    scheme, _, credential = header.partition(b" ")
    credential = credential.strip()
    if len(credential) <= _MAX and scheme.lower() == b"bearer":
        return _readable(credential)
    if len(credential) <= _MAX and scheme.lower() == b"basic":
        try:
            return _readable(base64.b64decode(credential, validate=True).partition(b":")[2])
        except binascii.Error:
            pass
    raise UnauthenticatedError(
        "the Authorization header cannot be read", hint="Send 'Bearer TOKEN', or 'Basic' with the token as password."
    )


def _readable(token: bytes) -> str:
    return token.decode("latin-1")
