"""Signed notes: the published example, both signatures always, and nothing that a verifier might let through."""

import base64
import hashlib
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dilithium_py.ml_dsa import ML_DSA_44
from hypothesis import given
from hypothesis import strategies as st

from stemma.errors import CorruptError, InvalidError, StemmaError, UnsupportedError
from stemma.ledger.evidence.checkpoint import (
    Checkpoint,
    Policy,
    policy_for,
    sign_checkpoint,
    verify_checkpoint,
    verify_signature,
)
from stemma.ledger.evidence.note import Algorithm, PublicKey, SignatureLine, SignedNote, VerifierKey
from stemma.ledger.tree import EMPTY_ROOT
from tests.ledger.logs import NOW, keys, signers

ORIGIN = "stemma/0123/team"
CHECKPOINT = Checkpoint(ORIGIN, 20, bytes(range(32)))
POLICY = policy_for(ORIGIN, keys())
NOTE = sign_checkpoint(CHECKPOINT, signers(), NOW)

# RFC 8032 section 7.1: public key, message, signature.
ED25519 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
            "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
]
ORDER = 2**252 + 27742317777372353535851937790883648493


def refused(note: bytes, policy: Policy = POLICY) -> bool:
    try:
        verify_checkpoint(note, policy, place="checkpoint")
    except CorruptError as error:
        return error.place == "checkpoint"
    return False


def lines_of(note: bytes) -> tuple[str, list[str]]:
    text, _, below = note.decode().rpartition("\n\n")
    return text + "\n\n", below.splitlines(keepends=True)


def test_a_signed_checkpoint_verifies() -> None:
    verified = verify_checkpoint(NOTE, POLICY, place="checkpoint")

    assert verified.checkpoint == CHECKPOINT
    assert verified.time == NOW
    assert NOTE.decode().startswith(f"{ORIGIN}\n20\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n\n— {ORIGIN} ")
    assert len(NOTE) < 3600


def test_every_flipped_byte_is_refused() -> None:
    for at in range(len(NOTE)):
        changed = bytearray(NOTE)
        changed[at] ^= 1
        assert refused(bytes(changed)), at


def test_stripped_doubled_swapped_and_foreign_signatures_are_refused() -> None:
    text, (old, new) = lines_of(NOTE)
    other = lines_of(sign_checkpoint(CHECKPOINT, signers("theirs"), NOW))[1]
    for lines in [
        [old], [new], [old, old], [new, new], [new, old], [old, new, new], [old, old, new], [*other],
        [old, other[1]], [other[0], new], [old, new, *other], [*other, old, new], [],
    ]:  # fmt: skip
        assert refused((text + "".join(lines)).encode())


def test_others_signatures_are_passed_over_where_the_policy_says_so() -> None:
    text, (old, new) = lines_of(NOTE)
    other = lines_of(sign_checkpoint(CHECKPOINT, signers("theirs"), NOW))[1]
    policy = replace(POLICY, ignores_others=True)

    assert not refused((text + other[0] + old + new + other[1]).encode(), policy)
    for lines in [[old, *other], [new, *other], [old, old, new], [*other], [old, new, new]]:
        assert refused((text + "".join(lines)).encode(), policy)


def test_signatures_of_another_text_are_refused() -> None:
    for other in [replace(CHECKPOINT, size=21), replace(CHECKPOINT, root=EMPTY_ROOT), Checkpoint("o", 20, EMPTY_ROOT)]:
        assert refused(NOTE.replace(CHECKPOINT.text.encode(), other.text.encode()))
    assert refused(sign_checkpoint(CHECKPOINT, signers("theirs"), NOW))
    assert refused(sign_checkpoint(replace(CHECKPOINT, origin="stemma/0123/other"), signers(), NOW))


def test_a_log_is_signed_by_one_key_of_each_algorithm() -> None:
    old, new = signers()
    for some in [[], [old], [new], [old, old], [old, new, new]]:
        with pytest.raises(InvalidError):
            sign_checkpoint(CHECKPOINT, some, NOW)


def test_signers_may_come_in_any_order() -> None:
    old, new = signers()
    assert not refused(sign_checkpoint(CHECKPOINT, [new, old], NOW))


def test_a_signer_that_signs_something_else_is_found_before_its_signature_is_used() -> None:
    class Forgetful:
        public_key = signers()[0].public_key

        def sign(self, message: bytes) -> bytes:
            return signers()[0].sign(message + b"x")

    with pytest.raises(CorruptError):
        sign_checkpoint(CHECKPOINT, [Forgetful(), signers()[1]], NOW)


def test_ml_dsa_44_signs_the_cosigned_message_of_the_specification() -> None:
    line = SignedNote.decode(NOTE, place="").signatures[1]
    seconds = NOW // 1_000_000
    message = b"subtree/v1\n\x00" + bytes([len(ORIGIN)]) + ORIGIN.encode() + seconds.to_bytes(8, "big")
    message += bytes([len(ORIGIN)]) + ORIGIN.encode() + bytes(8) + (20).to_bytes(8, "big") + CHECKPOINT.root

    assert int.from_bytes(line.signature[:8], "big") == seconds
    assert ML_DSA_44.verify(keys()[1].raw, message, line.signature[8:])
    assert not ML_DSA_44.verify(keys()[1].raw, message + b"\x00", line.signature[8:])


def test_signatures_by_another_implementation_of_ml_dsa_44_verify() -> None:
    public, private = ML_DSA_44.keygen()
    signature = ML_DSA_44.sign(private, b"message")
    key = PublicKey(Algorithm.ML_DSA_44, public)

    verify_signature(key, b"message", signature, place="")
    for at in range(0, len(signature), 97):
        changed = bytearray(signature)
        changed[at] ^= 1
        with pytest.raises(CorruptError):
            verify_signature(key, b"message", bytes(changed), place="")
    with pytest.raises(CorruptError):
        verify_signature(key, b"message", ML_DSA_44.sign(private, b"message", ctx=b"context"), place="")


@pytest.mark.parametrize(("public", "message", "signature"), ED25519)
def test_the_published_ed25519_signatures_verify_and_no_variant_of_them(
    public: str, message: str, signature: str
) -> None:
    key, data, good = (
        PublicKey(Algorithm.ED25519, bytes.fromhex(public)),
        bytes.fromhex(message),
        bytes.fromhex(signature),
    )
    verify_signature(key, data, good, place="")
    scalar = int.from_bytes(good[32:], "little")
    variants = [good[:32] + (scalar + times * ORDER).to_bytes(32, "little") for times in (1, 2, 8)]
    variants += [b"", good[:63], good + b"\x00", good[32:] + good[:32], bytes(64), good[:32] + bytes(32)]
    variants += [bytes(32) + good[32:], b"\x01" + bytes(63), good[:32] + ORDER.to_bytes(32, "little")]
    for bad in variants:
        with pytest.raises(CorruptError):
            verify_signature(key, data, bad, place="")
    with pytest.raises(CorruptError):
        verify_signature(key, data + b"\x00", good, place="")


def test_a_vkey_and_a_note_as_go_writes_them() -> None:
    key = VerifierKey.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    note = SignedNote.decode(
        b"If you think cryptography is the answer to your problem,\n"
        b"then you don't know what your problem is.\n\n"
        b"\xe2\x80\x94 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6R"
        b"yyBwJnAM=\n",
        place="note",
    )
    assert note.signatures[0].key_id == key.key_id
    verify_signature(key.key, note.text.encode(), note.signatures[0].signature, place="note")


@given(st.sampled_from(keys() + keys("theirs")), st.sampled_from(["a", ORIGIN, "example.com/log-ü"]))
def test_vkeys_print_and_parse(key: PublicKey, name: str) -> None:
    assert VerifierKey.parse(str(VerifierKey(name, key))) == VerifierKey(name, key)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-1],
        lambda text: text + "=",
        lambda text: text.replace("+", "-", 1),
        lambda text: text.replace("+", "++", 1),
        lambda text: " " + text,
        lambda text: text.upper(),
        lambda text: text + "\n",
        lambda text: "x" + text,
        lambda _: "",
        lambda _: "a++",
        lambda text: text.replace(text.split("+")[1], "00000000"),
    ],
)
def test_what_is_not_a_vkey_is_refused(change: object) -> None:
    text = str(VerifierKey("name", keys()[0]))
    assert callable(change)
    with pytest.raises(StemmaError):
        VerifierKey.parse(change(text))


def test_an_unknown_algorithm_is_unsupported() -> None:
    material = b"\x02" + bytes(32)
    key_id = hashlib.sha256(b"name\n" + material).digest()[:4].hex()
    with pytest.raises(UnsupportedError):
        VerifierKey.parse(f"name+{key_id}+{base64.b64encode(material).decode()}")


def test_the_fingerprint_does_not_depend_on_the_name_and_the_id_does() -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
    public = PublicKey(Algorithm.ED25519, key)
    assert public.fingerprint == PublicKey(Algorithm.ED25519, bytes(key)).fingerprint
    assert VerifierKey("a", public).key_id != VerifierKey("b", public).key_id


@pytest.mark.parametrize(
    "text",
    [
        "",
        "o\n1\n",
        f"o\n01\n{base64.b64encode(bytes(32)).decode()}\n",
        f"o\n-1\n{base64.b64encode(bytes(32)).decode()}\n",
        f"o\n\u0661\n{base64.b64encode(bytes(32)).decode()}\n",
        f"o\n{'9' * 5000}\n{base64.b64encode(bytes(32)).decode()}\n",
        f"o\n0\n{base64.b64encode(bytes(32)).decode()}\n",
        f"o\n1\n{base64.b64encode(bytes(31)).decode()}\n",
        f"o\n1\n{base64.b64encode(bytes(32)).decode()[:-2]}B=\n",
        f"o\n1\n{base64.b64encode(bytes(32)).decode()}\nextension\n",
        f"o\n1\n{base64.b64encode(bytes(32)).decode()}\n\n",
        f"o o\n1\n{base64.b64encode(bytes(32)).decode()}\n",
        f"{'o' * 256}\n1\n{base64.b64encode(bytes(32)).decode()}\n",
        f"o\n1\n{base64.b64encode(bytes(32)).decode()}",
    ],
)
def test_what_is_not_the_text_of_a_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(InvalidError):
        Checkpoint.parse(text)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text\n",
        b"text\n\n",
        b"text\n\nline\n",
        b"text\n\n\xe2\x80\x94 name AAAA\n",
        b"text\n\n\xe2\x80\x94 name AAAAAAAA",
        b"text\n\n\xe2\x80\x94 name AAAAAAAB\n\n",
        b"text\n\n\xe2\x80\x94  AAAAAAAA\n",
        b"text\n\n\xe2\x80\x94 na+me AAAAAAAA\n",
        b"text\n\n\xe2\x80\x94 name AAAAAAA\n",
        b"text\n\n\xe2\x80\x94 name AAAAAB==\n",
        b"te\rxt\n\n\xe2\x80\x94 name AAAAAAAA\n",
        b"te\x00xt\n\n\xe2\x80\x94 name AAAAAAAA\n",
        b"te\xffxt\n\n\xe2\x80\x94 name AAAAAAAA\n",
        b"text\n\n" + b"\xe2\x80\x94 name AAAAAAAA\n" * 17,
        b"x" * 70_000 + b"\n\n\xe2\x80\x94 name AAAAAAAA\n",
    ],
    ids=lambda data: repr(data[:40]),
)
def test_what_is_not_a_note_is_refused(data: bytes) -> None:
    with pytest.raises(CorruptError):
        SignedNote.decode(data, place="note")


@given(
    st.text(st.characters(exclude_categories=["C"]), min_size=1).map(lambda text: text + "\n"),
    st.lists(
        st.builds(
            SignatureLine,
            st.sampled_from(["a", "b.example/c"]),
            st.binary(min_size=4, max_size=4),
            st.binary(min_size=1),
        ),
        min_size=1,
        max_size=16,
    ).map(tuple),
)
def test_notes_print_and_parse(text: str, lines: tuple[SignatureLine, ...]) -> None:
    note = SignedNote(text, lines)
    assert SignedNote.decode(note.encode(), place="note") == note
