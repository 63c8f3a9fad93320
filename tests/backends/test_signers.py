"""Key files: written once, for their owner alone, and read back or refused with the reason."""

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from stemma.backends.signers.keyfile import create_keys, key_file, load_keys
from stemma.errors import (
    AlreadyExistsError,
    CorruptError,
    InvalidError,
    NotFoundError,
    UnauthenticatedError,
    UnavailableError,
)
from stemma.ledger.evidence.checkpoint import Checkpoint, policy_for, sign_checkpoint, verify_checkpoint
from stemma.ledger.evidence.note import Algorithm


@pytest.mark.parametrize("passphrase", [None, b"correct horse", "für Elise".encode()])
def test_keys_that_were_made_are_loaded_and_sign(tmp_path: Path, passphrase: bytes | None) -> None:
    made = create_keys(tmp_path / "keys", "log", passphrase)
    loaded = load_keys(tmp_path / "keys", "log", passphrase)
    public = [signer.public_key for signer in loaded]

    assert [key.algorithm for key in public] == [Algorithm.ED25519, Algorithm.ML_DSA_44]
    assert public == [signer.public_key for signer in made]
    note = sign_checkpoint(Checkpoint("log", 1, bytes(32)), loaded, 5_000_000)
    assert verify_checkpoint(note, policy_for("log", public), place="").time == 5_000_000


def test_each_purpose_has_its_own_keys(tmp_path: Path) -> None:
    assert create_keys(tmp_path, "log")[0].public_key != create_keys(tmp_path, "backup")[0].public_key


def test_only_the_owner_may_read_them_and_nothing_else_is_left_behind(tmp_path: Path) -> None:
    create_keys(tmp_path / "new" / "keys", "log")
    path = key_file(tmp_path / "new" / "keys", "log")

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["log.pem"]
    assert path.stat().st_nlink == 1


def test_keys_are_never_overwritten(tmp_path: Path) -> None:
    create_keys(tmp_path, "log")
    before = key_file(tmp_path, "log").read_bytes()

    with pytest.raises(AlreadyExistsError):
        create_keys(tmp_path, "log", b"passphrase")
    assert key_file(tmp_path, "log").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_the_file_is_standard_pkcs8_with_seeds(tmp_path: Path) -> None:
    signers = create_keys(tmp_path, "log", b"passphrase")
    text = key_file(tmp_path, "log").read_text()
    end = "-----END ENCRYPTED PRIVATE KEY-----\n"
    blocks = [block + end for block in text.split(end)[:-1]]

    for block, signer in zip(blocks, signers, strict=True):
        key = load_pem_private_key(block.encode(), b"passphrase")
        seed = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        assert len(seed) == 32
        assert signer.public_key.raw == key.public_key().public_bytes_raw()  # type: ignore[union-attr]  # one of two kinds


def test_secrets_do_not_show(tmp_path: Path) -> None:
    signer = create_keys(tmp_path, "log")[0]
    assert "private" not in repr(signer).lower()
    assert "raw" not in repr(signer)


def test_a_wrong_or_missing_passphrase_is_said(tmp_path: Path) -> None:
    create_keys(tmp_path, "log", b"passphrase")
    for wrong in (b"passphras", b"passphrase ", None, b""):
        with pytest.raises(UnauthenticatedError) as caught:
            load_keys(tmp_path, "log", wrong)
        assert caught.value.place == str(key_file(tmp_path, "log"))
        assert caught.value.hint


def test_an_empty_passphrase_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidError):
        create_keys(tmp_path, "log", b"")
    assert not list(tmp_path.iterdir())


def test_a_passphrase_for_keys_without_one_is_not_needed(tmp_path: Path) -> None:
    create_keys(tmp_path, "log")
    assert load_keys(tmp_path, "log", b"passphrase")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o777, 0o601])
def test_keys_that_others_may_read_are_refused(tmp_path: Path, mode: int) -> None:
    create_keys(tmp_path, "log")
    key_file(tmp_path, "log").chmod(mode)
    with pytest.raises(InvalidError, match=f"mode {mode:04o}") as caught:
        load_keys(tmp_path, "log")
    assert "chmod 600" in caught.value.hint


def test_missing_keys_are_said(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        load_keys(tmp_path, "log")
    with pytest.raises(NotFoundError):
        load_keys(tmp_path / "nowhere", "log")


def test_links_pipes_and_folders_are_not_key_files(tmp_path: Path) -> None:
    create_keys(tmp_path / "real", "log")
    key_file(tmp_path, "linked").symlink_to(key_file(tmp_path / "real", "log"))
    key_file(tmp_path, "folder").mkdir()
    os.mkfifo(key_file(tmp_path, "pipe"), 0o600)
    for purpose, kind in [("linked", UnavailableError), ("folder", CorruptError), ("pipe", CorruptError)]:
        with pytest.raises(kind):
            load_keys(tmp_path, purpose)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError):
        create_keys(tmp_path / "file" / "keys", "log")


@pytest.mark.parametrize("kind", ["empty", "cut", "more", "order", "one", "three", "other", "text", "bits"])
def test_anything_but_the_two_keys_is_corrupt(tmp_path: Path, kind: str) -> None:
    create_keys(tmp_path, "log")
    path = key_file(tmp_path, "log")
    data = path.read_bytes()
    end = data.index(b"-----END PRIVATE KEY-----\n") + 26
    first, second = data[:end], data[end:]
    foreign = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(
        {
            "empty": b"",
            "cut": data[:-10],
            "more": data + b"\n",
            "order": second + first,
            "one": first,
            "three": data + first,
            "other": first + foreign,
            "text": b"not a key\n",
            "bits": data.replace(b"MC4CAQ", b"MC4CAA"),
        }[kind]
    )
    with pytest.raises(CorruptError) as caught:
        load_keys(tmp_path, "log")
    assert caught.value.place == str(path)
