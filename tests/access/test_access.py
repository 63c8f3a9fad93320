"""Access: who may what, principals and roles that follow from entries, and refusals once a minute."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemma.access import (
    EVERYWHERE,
    Access,
    Caller,
    Grant,
    Permission,
    Role,
    check_pseudonym,
    enter_refusal,
    local_owner,
    permits,
    require,
)
from stemma.access.refusal import MINUTE
from stemma.backends.database.transaction import Transaction
from stemma.errors import Attempt, ForbiddenError, InvalidError, NotFoundError, RefusedError
from stemma.ledger import Actor, Draft, Entry, Thing, append
from stemma.names import SYSTEM_NAMESPACE
from stemma.records import Digest
from stemma.registry import Namespace
from tests.databases import new_connection

pytestmark = pytest.mark.usefixtures("each_database")

NOW = 1_790_000_000_000_000
OWNER = local_owner("u_" + "0" * 32)
ACCESS = Access()


def new_transaction() -> Transaction:
    return Transaction(new_connection(), NOW)


def stranger(pseudonym: str = "u_" + "1" * 32) -> Caller:
    return Caller(Actor("user", pseudonym))


def entries(tx: Transaction, namespace: str) -> list[Entry]:
    return [Entry.decode(row.data) for row in tx.ledger.rows(namespace, 0, 1000)]


def test_the_owner_of_a_folder_may_ask_for_everything() -> None:
    tx = new_transaction()
    for permission in Permission:
        require(tx, OWNER, permission, "me")


def test_who_may_not_even_read_is_told_that_there_is_nothing() -> None:
    tx = new_transaction()
    for permission in Permission:
        with pytest.raises(NotFoundError) as caught:
            require(tx, stranger(), permission, "me")
        assert caught.value.attempt is None


def test_a_role_counts_where_it_was_given_and_until_it_is_taken() -> None:
    tx = new_transaction()
    ada = ACCESS.introduce(tx, OWNER, "user", "Ada Lovelace")
    caller = stranger(ada.id)
    grant = Grant(ada.id, "me", Role.CONTRIBUTOR)
    ACCESS.grant(tx, OWNER, grant)
    require(tx, caller, Permission.REGISTER, "me")
    with pytest.raises(NotFoundError):
        require(tx, caller, Permission.READ, "others")
    with pytest.raises(ForbiddenError) as caught:
        require(tx, caller, Permission.POINT, "me")
    assert caught.value.attempt == Attempt("me", "user", ada.id, "access.point", "namespace", "me")
    assert not ACCESS.grant(tx, OWNER, grant)
    assert ACCESS.revoke(tx, OWNER, grant)
    with pytest.raises(NotFoundError):
        require(tx, caller, Permission.READ, "me")
    assert not ACCESS.revoke(tx, OWNER, grant)


def test_a_role_everywhere_counts_in_every_namespace() -> None:
    tx = new_transaction()
    ada = ACCESS.introduce(tx, OWNER, "service", "nightly")
    ACCESS.grant(tx, OWNER, Grant(ada.id, EVERYWHERE, Role.READER))
    ACCESS.grant(tx, OWNER, Grant(ada.id, "me", Role.READER))
    require(tx, stranger(ada.id), Permission.READ, "whatever")
    ACCESS.revoke(tx, OWNER, Grant(ada.id, EVERYWHERE, Role.READER))
    require(tx, stranger(ada.id), Permission.READ, "me")


def test_an_admin_of_one_namespace_grants_there_only() -> None:
    tx = new_transaction()
    ada = ACCESS.introduce(tx, OWNER, "user", "Ada")
    ACCESS.grant(tx, OWNER, Grant(ada.id, "me", Role.ADMIN))
    admin = stranger(ada.id)
    ACCESS.grant(tx, admin, Grant(ada.id, "me", Role.DEPLOYER))
    with pytest.raises(NotFoundError):
        ACCESS.grant(tx, admin, Grant(ada.id, "others", Role.READER))
    with pytest.raises(ForbiddenError):
        ACCESS.grant(tx, admin, Grant(ada.id, EVERYWHERE, Role.READER))
    with pytest.raises(ForbiddenError):
        ACCESS.introduce(tx, admin, "user", "Eve")


def test_the_name_of_a_principal_can_be_forgotten() -> None:
    tx = new_transaction()
    ada = ACCESS.introduce(tx, OWNER, "user", "Ada Lovelace")
    assert ACCESS.name_of(tx, ada.id) == "Ada Lovelace"
    assert all(b"Ada" not in entry.encode() for entry in entries(tx, SYSTEM_NAMESPACE))
    tx.texts.redact(ada.name)
    assert ACCESS.name_of(tx, ada.id) is None
    assert ACCESS.find(tx, ada.id) == ada
    assert ACCESS.name_of(tx, "u_" + "9" * 32) is None


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 300, "\u202ename"])
def test_what_is_no_display_name(name: str) -> None:
    with pytest.raises(InvalidError):
        ACCESS.introduce(new_transaction(), OWNER, "user", name)


def test_what_cannot_be_granted() -> None:
    tx = new_transaction()
    ada = ACCESS.introduce(tx, OWNER, "user", "Ada")
    with pytest.raises(InvalidError, match="owner"):
        ACCESS.grant(tx, OWNER, Grant(ada.id, "me", Role.OWNER))
    with pytest.raises(NotFoundError):
        ACCESS.grant(tx, OWNER, Grant("u_" + "9" * 32, "me", Role.READER))
    with pytest.raises(NotFoundError):
        ACCESS.grant(tx, OWNER, Grant("eve", "me", Role.READER))
    with pytest.raises(InvalidError):
        Grant(ada.id, "Not a namespace", Role.READER)
    for text in ("u_" + "0" * 31, "u_" + "G" * 32, "z_" + "0" * 32, "u_" + "0" * 32 + "\n"):
        with pytest.raises(InvalidError):
            check_pseudonym(text)


def test_principals_and_roles_follow_from_entries() -> None:
    """Replayed into an empty database, entries give the same rows."""
    tx = new_transaction()
    ada, bob = (ACCESS.introduce(tx, OWNER, "user", name) for name in ("Ada", "Bob"))
    ACCESS.grant(tx, OWNER, Grant(ada.id, "me", Role.READER))
    ACCESS.grant(tx, OWNER, Grant(bob.id, EVERYWHERE, Role.DEPLOYER))
    ACCESS.revoke(tx, OWNER, Grant(ada.id, "me", Role.READER))
    again = new_transaction()
    for commitment, salt, text in tx.connection.script("SELECT commitment, salt, text FROM texts"):
        again.texts.put(str(Digest.from_raw(commitment)), salt, text)
    for entry in entries(tx, SYSTEM_NAMESPACE):
        ACCESS.project(again, entry)
    for query in ("SELECT * FROM principals ORDER BY id", "SELECT * FROM roles ORDER BY principal, namespace"):
        assert again.connection.script(query) == tx.connection.script(query)
    assert list(again.access.principals.page("", 10)) == sorted([ada, bob], key=lambda each: each.id)


@given(st.frozensets(st.sampled_from(Role)), st.sampled_from(Permission))
def test_more_roles_never_permit_less(roles: frozenset[Role], permission: Permission) -> None:
    assert permits(roles, permission) == any(permits(frozenset({role}), permission) for role in roles)
    assert permits(roles | {Role.OWNER}, permission)


def refusal(thing: str = "me/fraud@production", namespace: str = "me") -> RefusedError:
    return RefusedError("no", attempt=Attempt(namespace, "user", OWNER.id, "alias.set", "alias", thing))


def test_a_refusal_is_entered_at_most_once_a_minute_with_a_count() -> None:
    tx = new_transaction()
    tx.registry.namespaces.add(Namespace("me", NOW))
    append(tx, Draft("me", OWNER.actor, "model.create", Thing("model", "me/fraud")))
    for second in range(130):
        tx.now = NOW + second * 1_000_000
        enter_refusal(tx, refusal())
    tx.now += MINUTE
    enter_refusal(tx, refusal("me/fraud@other"))
    found = [(entry.thing.id, entry.facts["count"]) for entry in entries(tx, "me")[1:]]
    assert [count for thing, count in found if thing.endswith("production")] == [1, 60, 60, 9]
    assert [count for thing, count in found if thing.endswith("other")] == [1]
    assert {entry.outcome for entry in entries(tx, "me")[1:]} == {"refused"}


def test_a_refusal_makes_no_log_of_its_own() -> None:
    tx = new_transaction()
    enter_refusal(tx, refusal(namespace="nowhere"))
    assert tx.ledger.namespaces() == (SYSTEM_NAMESPACE,)
    assert entries(tx, SYSTEM_NAMESPACE)[0].facts == {"count": 1, "namespace": "nowhere"}
    enter_refusal(tx, RefusedError("no"))
    assert tx.ledger.head(SYSTEM_NAMESPACE).size == 1


def test_what_was_refused_long_ago_is_forgotten() -> None:
    tx = new_transaction()
    for hour in range(5):
        tx.now = NOW + hour * 60 * MINUTE
        enter_refusal(tx, refusal(f"me/fraud@a{hour}"))
    assert len(tx.connection.script("SELECT 1 FROM refusals")) == 1
