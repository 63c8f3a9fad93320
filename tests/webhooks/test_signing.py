"""Signatures are those of Standard Webhooks: a published vector, the reference library, and what is refused."""

import base64
import random
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook as Reference
from standardwebhooks.webhooks import WebhookVerificationError

from stemma.errors import InvalidError, UnauthenticatedError
from stemma.webhooks.signing import PREFIX, Attempt, read_secret, sign, verify, write_secret

# The vector of the reference libraries' own tests.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105  # published
MESSAGE = Attempt("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330)
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_published_vector() -> None:
    assert sign(read_secret(SECRET), MESSAGE, BODY) == {
        "webhook-id": MESSAGE.id,
        "webhook-timestamp": "1614265330",
        "webhook-signature": SIGNATURE,
    }
    assert verify([SECRET], sign(read_secret(SECRET), MESSAGE, BODY), BODY, now=MESSAGE.timestamp + 299) == MESSAGE


def test_the_reference_library_signs_alike() -> None:
    generator = random.Random(11)
    for _ in range(50):
        secret = write_secret(generator.randbytes(generator.randint(24, 64)))
        attempt = Attempt(f"evt_{generator.randbytes(16).hex()}", generator.randint(0, 2**31))
        body = base64.b64encode(generator.randbytes(generator.randint(0, 200)))
        signed = Reference(secret).sign(attempt.id, datetime.fromtimestamp(attempt.timestamp, UTC), body.decode())
        assert sign(read_secret(secret), attempt, body)["webhook-signature"] == signed


def test_the_reference_library_verifies_ours_and_we_verify_its() -> None:
    now = datetime.now(UTC)
    attempt = Attempt("evt_1", int(now.timestamp()))
    headers = sign(read_secret(SECRET), attempt, BODY)
    assert Reference(SECRET).verify(BODY, headers) == {"test": 2432232314}
    with pytest.raises(WebhookVerificationError):
        Reference(SECRET).verify(BODY + b" ", headers)
    theirs = headers | {"webhook-signature": Reference(SECRET).sign(attempt.id, now, BODY.decode())}
    assert verify([SECRET], theirs, BODY, now=now.timestamp()) == attempt


OTHER = write_secret(b"x" * 32)


@pytest.mark.parametrize("signatures", [f"v1,AAAA {SIGNATURE}", f"v1a,AAAA {SIGNATURE}", f"nonsense {SIGNATURE}"])
def test_one_signature_of_several_suffices(signatures: str) -> None:
    headers = sign(read_secret(SECRET), MESSAGE, BODY) | {"webhook-signature": signatures}
    assert verify([OTHER, SECRET], headers, BODY, now=MESSAGE.timestamp) == MESSAGE


@pytest.mark.parametrize(
    ("changed", "now"),
    [
        ({"webhook-signature": "v1," + base64.b64encode(b"\0" * 32).decode()}, 0),
        ({"webhook-signature": ""}, 0),
        ({"webhook-signature": SIGNATURE.replace("v1", "v2")}, 0),
        ({"webhook-signature": " ".join(["v1,AAAA"] * 10 + [SIGNATURE])}, 0),
        ({"webhook-id": "msg_other"}, 0),
        ({"webhook-id": "a.b"}, 0),
        ({"webhook-id": ""}, 0),
        ({"webhook-timestamp": "1614265331"}, 0),
        ({"webhook-timestamp": "+1614265330"}, 0),
        ({"webhook-timestamp": "1e9"}, 0),
        ({"webhook-timestamp": "٣"}, 0),
        ({}, 301),
        ({}, -301),
    ],
)
def test_everything_else_is_refused(changed: dict[str, str], now: int) -> None:
    headers = sign(read_secret(SECRET), MESSAGE, BODY) | changed
    with pytest.raises(UnauthenticatedError):
        verify([SECRET], headers, BODY, now=MESSAGE.timestamp + now)


def test_another_body_or_secret_is_refused() -> None:
    headers = sign(read_secret(SECRET), MESSAGE, BODY)
    with pytest.raises(UnauthenticatedError):
        verify([SECRET], headers, BODY + b"\n", now=MESSAGE.timestamp)
    with pytest.raises(UnauthenticatedError):
        verify([OTHER], headers, BODY, now=MESSAGE.timestamp)
    shouted = {name.upper(): value for name, value in headers.items()}
    assert verify([SECRET], shouted, BODY, now=MESSAGE.timestamp) == MESSAGE


@pytest.mark.parametrize(
    "text", ["", "whsec_", "whsec_!!", write_secret(b"x" * 23), write_secret(b"x" * 65), "whsec_é"]
)
def test_a_secret_that_is_none_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(InvalidError) as caught:
        read_secret(text)
    assert text.removeprefix(PREFIX) not in str(caught.value) or text.removeprefix(PREFIX) == ""
