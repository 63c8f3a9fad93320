"""Signatures and keys that others published, from the vectors that `cryptography` is itself tested with.

Ed25519: the 1,024 signatures of the reference implementation (ed25519.cr.yp.to, sign.input). ML-DSA-44: the keys of the
known-answer tests of FIPS 204; their signatures are made under a context, which a log's are not.
"""

from pathlib import Path

import cryptography_vectors
import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from stemma.backends.signers.keyfile import FileSigner
from stemma.errors import CorruptError
from stemma.ledger.evidence.checkpoint import verify_signature
from stemma.ledger.evidence.note import Algorithm, PublicKey

VECTORS = Path(cryptography_vectors.__file__).parent / "asymmetric"


def test_the_signatures_of_the_reference_implementation_hold_and_no_variant_does() -> None:
    lines = (VECTORS / "Ed25519" / "sign.input").read_text("ascii").splitlines()
    assert len(lines) == 1024
    for line in lines:
        _, public, message, signed, _ = map(bytes.fromhex, line.split(":"))
        key, signature = PublicKey(Algorithm.ED25519, public), signed[:64]
        verify_signature(key, message, signature, place="vector")
        at = len(message) % 64
        changed = signature[:at] + bytes([signature[at] ^ 1]) + signature[at + 1 :]
        with pytest.raises(CorruptError):
            verify_signature(key, message, changed, place="vector")
        with pytest.raises(CorruptError):
            verify_signature(key, message + b"\0", signature, place="vector")


def test_the_seeds_of_the_known_answers_give_their_public_keys() -> None:
    text = (VECTORS / "MLDSA" / "kat_MLDSA_44_det_pure.rsp").read_text("ascii")
    answers = [
        dict(line.split(" = ", 1) for line in part.splitlines() if " = " in line) for part in text.split("count = ")[1:]
    ]
    assert len(answers) == 100
    for answer in answers:
        signer = FileSigner.of(MLDSA44PrivateKey.from_seed_bytes(bytes.fromhex(answer["xi"])))
        assert signer.public_key == PublicKey(Algorithm.ML_DSA_44, bytes.fromhex(answer["pk"]))
        message = bytes.fromhex(answer["msg"])
        verify_signature(signer.public_key, message, signer.sign(message), place="vector")
