"""Sources that lie, forge and leave out, and people who may not: nothing of it arrives."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from stemma.access import EVERYWHERE, Role
from stemma.client import Repository
from stemma.client.syncing.synchronise import synchronise
from stemma.client.syncing.trust import Trust
from stemma.errors import (
    ConflictError,
    CorruptError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    RefusedError,
    TooLargeError,
    UnsupportedError,
)
from stemma.ledger import Actor, Draft, Fact, Thing, append, commit_text, commitment_of
from stemma.names import ModelName
from stemma.operations import AnyOperation, Transaction
from stemma.operations.exchange.importing import IMPORT
from stemma.operations.exchange.offering import ENTRIES, MAX_ENTRIES, OFFER, PROOF, ROOT
from stemma.operations.exchange.receiving import RECEIVE
from stemma.operations.exchange.values import PersonSent, ReadPart, ReceiveEntries, TextSent
from stemma.operations.requests import OfNamespace
from stemma.records import Digest
from stemma.registry.exchange.origin import Origin, trust
from tests.sync.support import Author, Bent, Somebody, calls, check, past, proofs, read, somebody, sync, write

NOBODY = "u_" + "9" * 32
SOMEBODY = Actor("user", NOBODY)
CHURN = ModelName("team", "churn")


@pytest.fixture
def source(tmp_path: Path) -> Repository:
    """Make a repository with three versions and a moved alias."""
    repository = Repository.init(tmp_path / "source")
    author = Author(repository, tmp_path / "files")
    for number in range(3):
        author.push("team/churn", f"message {number:03}")
    repository.aliases.set("team/churn", "production", "v2", reason="live")
    return repository


@pytest.fixture
def target(tmp_path: Path) -> Repository:
    """Make an empty repository."""
    return Repository.init(tmp_path / "target")


def untouched(target: Repository) -> bool:
    """Return whether nothing of a namespace can be seen in a repository."""
    size = read(target, lambda tx: tx.ledger.head("team").size)
    return not list(target.namespaces()) and size == 0


def bend(operation: AnyOperation, **members: Callable[[Any], Any]) -> Callable[[AnyOperation, Any], Any]:
    """Return a lie: members of the answers to one operation, each as a function of what it truly is."""

    def lie(asked: AnyOperation, answer: Any) -> Any:  # noqa: ANN401  # any answer
        if asked is not operation:
            return answer
        return structs.replace(answer, **{name: change(getattr(answer, name)) for name, change in members.items()})

    return lie


def swap(items: tuple[Any, ...]) -> tuple[Any, ...]:
    """Exchange the first two."""
    return (items[1], items[0], *items[2:])


def redated(entries: tuple[str, ...]) -> tuple[str, ...]:
    """Say that the last one was somebody else's."""
    return (*entries[:-1], entries[-1].replace('"user"', '"service"', 1))


def resalted(texts: tuple[TextSent, ...]) -> tuple[TextSent, ...]:
    """Change what one text says."""
    return (structs.replace(texts[0], text="something else"), *texts[1:])


LIES: dict[str, Callable[[AnyOperation, Any], Any]] = {
    "an entry was changed": bend(ENTRIES, entries=redated),
    "entries were exchanged": bend(ENTRIES, entries=swap),
    "an entry was left out": bend(ENTRIES, entries=lambda entries: (entries[0], *entries[2:])),
    "the last entry is missing": bend(ENTRIES, entries=lambda entries: entries[:-1]),
    "an entry comes twice": bend(ENTRIES, entries=lambda entries: (entries[0], *entries)),
    "there are no entries": bend(ENTRIES, entries=lambda _: ()),
    "the part begins elsewhere": bend(ENTRIES, first=lambda first: first + 1),
    "an entry is no entry": bend(ENTRIES, entries=lambda entries: (*entries[:-1], "{}")),
    "an entry is not canonical": bend(ENTRIES, entries=lambda entries: (f" {entries[0]}", *entries[1:])),
    "half a character": bend(ENTRIES, entries=lambda entries: (*entries[:-1], entries[-1] + "\ud800")),
    "a record is missing": bend(ENTRIES, records=lambda records: records[1:]),
    "a record was changed": bend(ENTRIES, records=lambda records: (records[0].replace("m", "n"), *records[1:])),
    "a record too many": bend(ENTRIES, records=lambda records: (*records, '{"a":1}')),
    "a text was changed": bend(ENTRIES, texts=resalted),
    "a salt is none": bend(ENTRIES, texts=lambda texts: (structs.replace(texts[0], salt="zz"), *texts[1:])),
    "a text too many": bend(
        ENTRIES, texts=lambda texts: (*texts, TextSent(commitment=f"sha256:{'1' * 64}", salt="00" * 32, text="x"))
    ),
    "a stranger is introduced": bend(
        ENTRIES, people=lambda people: (*people, PersonSent(pseudonym=NOBODY, name="The boss"))
    ),
    "another root is signed": bend(OFFER, note=lambda note: note.replace("\n", "0\n", 1)),
    "nobody signed": bend(OFFER, note=lambda note: note.partition("— ")[0] + "— a AAAAAAA=\n"),
    "the keys are no keys": bend(OFFER, keys=lambda _: ("a", "b")),
    "there is one key only": bend(OFFER, keys=lambda keys: keys[:1]),
    "there are no keys": bend(OFFER, keys=lambda _: ()),
    "it claims another name": bend(OFFER, repository=lambda _: "stemma/other"),
    "it claims more than it signed": bend(OFFER, signed=lambda signed: signed + 1),
}


@pytest.mark.parametrize("what", LIES)
def test_lies_are_found_out(source: Repository, target: Repository, what: str) -> None:
    source.close()
    with Repository.open(source.root) as opened:
        with pytest.raises(CorruptError):
            sync(Bent(calls(opened), LIES[what]), target)
        assert untouched(target)
        sync(opened, target)
        assert past(target) == past(opened)


@pytest.mark.parametrize("path", [(), ("00" * 32,), ("zz",), ("00",)])
def test_proofs_that_prove_nothing_are_refused(source: Repository, target: Repository, path: tuple[str, ...]) -> None:
    def cut(operation: AnyOperation, answer: Any) -> Any:  # noqa: ANN401  # any answer
        if operation is not ENTRIES:
            return answer
        return structs.replace(answer, entries=answer.entries[:2], records=(), texts=(), path=path)

    with pytest.raises(CorruptError):
        sync(Bent(calls(source), cut), target)
    assert untouched(target)


def test_a_root_must_be_proven(source: Repository, target: Repository, tmp_path: Path) -> None:
    sync(source, target)
    Author(source, tmp_path / "more").push("team/churn", "more 001")
    for lie in (bend(ROOT, root=lambda _: "00" * 32), bend(ROOT, path=lambda _: ()), bend(ROOT, root=lambda _: "zz")):
        with pytest.raises(CorruptError, match="not what its checkpoint continues"):
            sync(Bent(calls(source), lie), target)


# -- what a signed log may still not say ------------------------------------------------------------------------------


def draft(
    action: str, thing: Thing | None = None, facts: Mapping[str, Fact] | None = None, **members: str
) -> Callable[[Transaction], Draft]:
    """Return what makes an entry that no rule of a repository would have let pass."""

    def make(tx: Transaction) -> Draft:
        version = tx.registry.versions.page(CHURN, 100, 1)[0]
        known = {"last": version.digest, "text": str(commit_text(tx, "a\x1b[2Jb")), "clean": str(commit_text(tx, "c"))}
        said: dict[str, Fact] = {key: known.get(str(value), value) for key, value in (facts or {}).items()}
        digests: dict[str, Any] = {key: known.get(value, value) for key, value in members.items()}
        about = thing or Thing("version", "team/churn", version.digest)
        return Draft("team", SOMEBODY, action, about, facts=said, **digests)

    return make


OTHER = Digest("sha256:" + "7" * 64)
OF_V3: dict[str, Fact] = {"model": "churn", "sequence": 3}
RULES = {
    "a role": draft("role.grant", Thing("principal", NOBODY), facts={"namespace": "*", "role": "admin"}),
    "a principal": draft("principal.introduce", Thing("principal", NOBODY), facts={"kind": "user", "name": "clean"}),
    "a namespace": draft("namespace.create", Thing("namespace", "other")),
    "a webhook": draft("webhook.add", Thing("webhook", "w"), facts={"host": "h", "url": "clean"}),
    "an action of the future": draft("model.transmogrify", facts={"model": "churn"}),
    "a model twice": draft("model.create", facts={"model": "churn"}),
    "a model that cannot be named so": draft("model.create", facts={"model": "../x"}),
    "a model without a name": draft("model.create"),
    "a version that skips numbers": draft(
        "version.register", after="last", before="last", facts={"model": "churn", "sequence": 9, "branch": "main"}
    ),
    "a version of a model that is not there": draft(
        "version.register", after="last", facts={"model": "none", "sequence": 1, "branch": "main"}
    ),
    "a version twice": draft(
        "version.register", after="last", before="last", facts={"model": "churn", "sequence": 4, "branch": "main"}
    ),
    "a version on no branch": draft(
        "version.register", after="last", facts={"model": "churn", "sequence": 4, "branch": "nowhere"}
    ),
    "a version without a record": draft("version.register", facts={"model": "churn", "sequence": 4, "branch": "main"}),
    "a number that is taken": draft("version.number", after="last", facts={**OF_V3, "number": "1.0.0"}),
    "a number that is none": draft("version.number", after="last", facts={**OF_V3, "number": "1.x"}),
    "a second number": draft("version.number", after="last", facts={**OF_V3, "number": "7.0.0"}),
    "a number of another version": draft(
        "version.number", after="last", facts={"model": "churn", "sequence": 1, "number": "7.0.0"}
    ),
    "a withdrawal without a reason": draft("version.withdraw", after="last", facts=OF_V3),
    "a withdrawal of what is in use": draft(
        "version.withdraw", after=OTHER, reason=str(OTHER), facts={"model": "churn", "sequence": 2}
    ),
    "a branch called main": draft("branch.create", after="last", facts={**OF_V3, "branch": "main"}),
    "a branch with an alias' name": draft("branch.create", after="last", facts={**OF_V3, "branch": "production"}),
    "a branch that nobody can type": draft("branch.create", after="last", facts={**OF_V3, "branch": "-x"}),
    "an alias that did not hold that": draft("alias.set", after="last", facts={**OF_V3, "alias": "production"}),
    "an alias of nothing": draft("alias.set", after=OTHER, facts={**OF_V3, "alias": "canary"}),
    "an alias called main": draft("alias.set", after="last", facts={**OF_V3, "alias": "main"}),
    "a way back that never was": draft(
        "alias.back", after="last", facts={**OF_V3, "alias": "production", "position": 999}
    ),
    "a deletion of nothing": draft("alias.delete", before="last", facts={"model": "churn", "alias": "canary"}),
    "a protected branch": draft("name.protect", facts={"model": "churn", "name": "main"}),
    "a label with control characters": draft(
        "label.set", facts={"model": "churn", "sequence": 0, "key": "k", "value": "text"}
    ),
    "a label that cannot be named so": draft(
        "label.set", facts={"model": "churn", "sequence": 0, "key": "a=b", "value": "clean"}
    ),
    "a label on no version": draft("label.set", facts={"model": "churn", "sequence": 7, "key": "k", "value": "clean"}),
    "a label that was not there": draft("label.delete", facts={"model": "churn", "sequence": 0, "key": "k"}),
    "a title with control characters": draft("model.entitle", facts={"model": "churn", "title": "text"}),
    "a sequence that is true": draft("label.delete", facts={"model": "churn", "sequence": True, "key": "round"}),
    "evidence without a record": draft("evidence.add", facts={**OF_V3, "kind": "metrics"}),
}


@pytest.mark.parametrize("what", RULES)
def test_a_signed_log_must_keep_to_the_rules(source: Repository, target: Repository, what: str) -> None:
    sync(source, target)
    before = (past(target), proofs(target, "team"), list(target.namespaces()), read(target, roles))
    write(source, lambda tx: append(tx, RULES[what](tx)), "team")
    with pytest.raises((CorruptError, UnsupportedError)):
        sync(source, target)
    assert (past(target), proofs(target, "team"), list(target.namespaces()), read(target, roles)) == before


def roles(tx: Transaction) -> Any:  # noqa: ANN401  # grants
    return tx.access.roles.of(NOBODY)


def test_time_that_has_not_come_is_refused(source: Repository, target: Repository) -> None:
    def late(tx: Transaction) -> None:
        tx.now += 2 * 24 * 3600 * 1_000_000  # type: ignore[misc]  # a clock that is wrong
        append(tx, draft("label.set", facts={"model": "churn", "sequence": 0, "key": "k", "value": "clean"})(tx))

    write(source, late, "team")
    with pytest.raises(ConflictError, match="more than a day ahead"):
        sync(source, target)
    assert untouched(target)


def test_a_rewritten_log_is_refused(source: Repository, target: Repository, tmp_path: Path) -> None:
    source.close()
    shutil.copytree(source.root, tmp_path / "copy")
    with Repository.open(source.root) as opened:
        Author(opened, tmp_path / "one").push("team/churn", "one 001")
        sync(opened, target)
        before = past(target)
    with Repository.open(tmp_path / "copy") as copy:
        with pytest.raises(CorruptError, match="signed entries where"):
            sync(copy, target)
        for number in range(2):
            Author(copy, tmp_path / "two", seed=5).push("team/churn", f"two {number:03}")
            copy.set_labels("team/churn", {"a": str(number)})
        with pytest.raises(CorruptError, match="does not continue what was seen before"):
            sync(copy, target)
    assert past(target) == before


def test_files_go_before_the_entries(source: Repository, target: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stemma.client.local.transfer.LocalTransfer.take", lambda *_: 0)
    with pytest.raises(NotFoundError, match="content"):
        sync(source, target)
    assert untouched(target)


# -- keys and permissions ---------------------------------------------------------------------------------------------


def test_keys_that_nobody_vouches_for_are_refused(source: Repository, target: Repository) -> None:
    ends = (calls(source), calls(target))
    for doubtful in (Trust(), Trust(confirm=lambda *_: False), Trust(keys=[f"sha256:{'1' * 64}"])):
        with pytest.raises(RefusedError, match="sha256:"):
            synchronise(*ends, trust=doubtful)
    assert untouched(target)
    plan = synchronise(*ends, plan=True)
    synchronise(*ends, trust=Trust(keys=plan.fingerprints))
    synchronise(*ends)
    assert past(target) == past(source)


def test_the_target_asks_for_itself_whether_keys_are_trusted(source: Repository, target: Repository) -> None:
    request = first_part(source)
    with pytest.raises(RefusedError, match="not yet trusted"):
        calls(target).run(RECEIVE, request)
    with pytest.raises(RefusedError, match="not yet trusted"):
        calls(target).run(RECEIVE, structs.replace(request, trusted=("sha256:" + "1" * 64,)))
    assert untouched(target)


def first_part(source: Repository, **members: Any) -> ReceiveEntries:  # noqa: ANN401  # members of the request
    """Return the request that a sender without files would make."""
    calls(source).folder.system.sign()
    offer = calls(source).run(OFFER, OfNamespace(namespace="team"))
    part = calls(source).run(ENTRIES, ReadPart(namespace="team", first=0, until=offer.signed))
    return ReceiveEntries(
        namespace="team",
        first=0,
        entries=part.entries,
        records=part.records,
        texts=(),
        people=(),
        manifests=(),
        path=part.path,
        note=offer.note or "",
        keys=offer.keys,
        **members,
    )


def test_bounds(source: Repository, target: Repository) -> None:
    request = first_part(source)
    with pytest.raises(InvalidError, match="at most"):
        calls(target).run(RECEIVE, structs.replace(request, entries=request.entries[:1] * (MAX_ENTRIES + 1)))
    with pytest.raises(ConflictError, match="should follow"):
        calls(target).run(RECEIVE, structs.replace(request, first=7, trusted=tuple(fingerprints(source))))
    for first, limit in ((-1, 5), (0, 0), (0, MAX_ENTRIES + 1), (99, 5)):
        with pytest.raises(InvalidError):
            calls(source).run(ENTRIES, ReadPart(namespace="team", first=first, until=6, limit=limit))
    for namespace in ("_system", "../x", ""):
        with pytest.raises(InvalidError):
            calls(source).run(OFFER, OfNamespace(namespace=namespace))
    with pytest.raises(TooLargeError):
        commitment_of(bytes(32), "x" * (1 << 20 | 1))


def fingerprints(source: Repository) -> list[str]:
    """Return the fingerprints of the keys of a repository."""
    keys = calls(source).folder.system.subjects.ledger.keys
    return [str(key.fingerprint) for key in keys()]


@pytest.mark.parametrize("role", [Role.READER, Role.CONTRIBUTOR, Role.APPROVER, Role.DEPLOYER])
def test_only_who_governs_takes_in_what_others_did(
    source: Repository, target: Repository, tmp_path: Path, role: Role
) -> None:
    with pytest.raises((ForbiddenError, NotFoundError)):
        sync(source, somebody(target, role, EVERYWHERE))
    assert untouched(target)
    sync(source, target)
    before = past(target)
    Author(source, tmp_path / "more").push("team/churn", "more 001")
    with pytest.raises((ForbiddenError, NotFoundError)):
        sync(source, somebody(target, role, "team"))
    assert past(target) == before
    sync(source, somebody(target, Role.ADMIN, "team"))
    assert past(target) == past(source)


def test_an_admin_of_a_namespace_trusts_nobody_for_all(source: Repository, target: Repository, tmp_path: Path) -> None:
    """Whose entries count as they are is for those to say who govern everything."""
    sync(source, target)
    middle = Repository.init(tmp_path / "middle")
    sync(target, middle)
    Author(middle, tmp_path / "more").push("team/churn", "more 001")
    with pytest.raises(ForbiddenError):
        sync(middle, somebody(target, Role.ADMIN, "team"))
    assert past(target) == past(source)


def test_a_contributor_forges_no_author(source: Repository, target: Repository, tmp_path: Path) -> None:
    """Versions taken over are entered in the name of who took them, unless the keys of their origin are trusted."""
    sync(source, target)
    forged = Repository.init(tmp_path / "forged")
    sync(target, forged)
    Author(forged, tmp_path / "mine").push("team/churn", "forged 001")
    Author(target, tmp_path / "theirs").push("team/churn", "true 002")
    contributor = somebody(target, Role.CONTRIBUTOR, "team")
    done = sync(forged, contributor)
    assert [(each.relation, each.versions) for each in done.namespaces] == [("parted", 1)]
    digest = forged.show("team/churn@latest").digest
    assert target.show(f"team/churn@{digest}").author == "somebody who is contributor in team"
    target.close()
    with Repository.open(target.root) as again:
        check(again)


def test_a_contributor_cannot_take_over_what_is_not_proven(
    source: Repository, target: Repository, tmp_path: Path
) -> None:
    sync(source, target)
    Author(source, tmp_path / "mine").push("team/churn", "mine 001")
    Author(target, tmp_path / "theirs").push("team/churn", "theirs 002")
    before = past(target)
    for lie in (bend(PROOF, path=lambda path: path[1:]), bend(PROOF, path=lambda path: ("00" * 32, *path[1:]))):
        with pytest.raises(CorruptError):
            sync(Bent(calls(source), lie), target)
    reader: Somebody = somebody(target, Role.READER, "team")
    with pytest.raises(ForbiddenError):
        sync(source, reader)
    assert past(target) == before
    assert IMPORT.permission is not None


def test_a_manifest_that_one_never_had_is_not_given(source: Repository, target: Repository, tmp_path: Path) -> None:
    """Naming the digest of somebody else's files in a record of one's own gives nobody these files."""
    secret = Author(target, tmp_path / "secret", seed=9).push("vault/secret", "secret 001")
    manifest = target.show(secret).manifest
    sync(source, target)

    thief = Repository.init(tmp_path / "thief")
    sync(source, thief)

    def forge(tx: Transaction) -> None:
        version = tx.registry.versions.page(CHURN, 100, 1)[0]
        data = tx.records.read(version.digest)
        assert data is not None
        record = data.decode().replace(version.manifest, manifest).encode()
        digest = Digest.of(record)
        tx.records.put(digest, record)
        facts: dict[str, Fact] = {"model": "churn", "sequence": version.sequence + 1, "branch": "main"}
        thing = Thing("version", "team/churn", digest)
        append(tx, Draft("team", SOMEBODY, "version.register", thing, version.digest, digest, facts=facts))

    write(thief, forge, "team")
    admin = somebody(target, Role.ADMIN, "team")
    write(target, trust_keys_of(thief, target), "_system")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stemma.client.syncing.content.Content.send", lambda *_: ())
        with pytest.raises(NotFoundError, match="manifest"):
            sync(thief, admin)


def trust_keys_of(source: Repository, target: Repository) -> Callable[[Transaction], None]:
    """Return what enters that the keys of `source` are trusted."""
    calls(source).folder.system.sign()
    offer = calls(source).run(OFFER, OfNamespace(namespace="team"))
    origin = Origin.verify("team", offer.note or "", offer.keys)
    owner = calls(target).caller()
    return lambda tx: trust(tx, owner, origin, [str(key) for key in origin.fingerprints])
