"""Tokens: who they say that one is, what they narrow, and how they end."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemma.access import (
    ALL,
    EVERYWHERE,
    Access,
    Caller,
    Grant,
    Issued,
    Permission,
    Principal,
    Role,
    Scope,
    local_owner,
    may,
    permits,
    readable,
    require,
)
from stemma.access.carried import Carried, carry
from stemma.access.tokens import DAY, LONGEST, MAX_LIVE, SHORTEST, USUAL
from stemma.app import create_folder, open_folder
from stemma.backends.database.schema import METADATA
from stemma.backends.database.transaction import Transaction
from stemma.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    StemmaError,
    UnauthenticatedError,
)
from stemma.ledger import Actor, Entry
from stemma.names import SYSTEM_NAMESPACE
from stemma.records import Digest
from tests.databases import new_connection

if TYPE_CHECKING:
    from stemma.backends.database.executor import Executor

pytestmark = pytest.mark.usefixtures("each_database")
NOW = 1_790_000_000_000_000
SECOND = 1_000_000
OWNER = local_owner("u_" + "0" * 32)
ACCESS = Access()
NAMESPACES = ("bank", "risk", "trade", SYSTEM_NAMESPACE)
GRANTED = [role for role in Role if role is not Role.OWNER]
SCOPES = st.builds(
    Scope,
    st.none() | st.frozensets(st.sampled_from(NAMESPACES), min_size=1),
    st.none() | st.frozensets(st.sampled_from(GRANTED), min_size=1),
)


def new_transaction() -> Transaction:
    return Transaction(new_connection(), NOW)


def person(tx: Transaction, name: str, *held: tuple[str, Role]) -> Principal:
    principal = ACCESS.introduce(tx, OWNER, "user", name)
    for namespace, role in held:
        ACCESS.grant(tx, OWNER, Grant(principal.id, namespace, role))
    return principal


def local(principal: Principal) -> Caller:
    """Return somebody who needed no token."""
    return Caller(Actor("user", principal.id))


def issue(tx: Transaction, principal: Principal, scope: Scope = ALL, lifetime: int | None = None) -> Issued:
    return ACCESS.tokens.issue(tx, OWNER, principal, scope, lifetime=lifetime)


def entries(tx: Transaction) -> list[Entry]:
    return [Entry.decode(row.data) for row in tx.ledger.rows(SYSTEM_NAMESPACE, 0, 1000)]


def refused(tx: Transaction, text: str | None) -> tuple[str, str]:
    with pytest.raises(UnauthenticatedError) as caught:
        ACCESS.authenticate(tx, text)
    return caught.value.message, caught.value.hint


def test_a_token_says_who_one_is_and_what_it_may_be_used_for() -> None:
    tx = new_transaction()
    ada = person(tx, "Ada", ("bank", Role.ADMIN))
    scope = Scope(frozenset({"bank"}), frozenset({Role.READER}))
    issued = issue(tx, ada, scope)
    caller = ACCESS.authenticate(tx, issued.text)
    assert caller == Caller(Actor("user", ada.id, "token", issued.token.id), frozenset(), scope)
    require(tx, caller, Permission.READ, "bank")
    with pytest.raises(ForbiddenError, match="with this token") as caught:
        require(tx, caller, Permission.REGISTER, "bank")
    with pytest.raises(ForbiddenError, match=r"you may not move aliases in 'bank'$") as refused:
        require(tx, replace(caller, scope=ALL), Permission.POINT, "bank")
    assert "the role deployer in 'bank'" in refused.value.hint
    assert caught.value.attempt is not None


def test_every_text_that_is_no_usable_token_is_refused_alike() -> None:
    tx = new_transaction()
    ada, bob = person(tx, "Ada"), person(tx, "Bob")
    live, other, ended, gone = (issue(tx, ada).text for _ in range(4))
    short = issue(tx, ada, lifetime=SHORTEST).text
    of_bob = issue(tx, bob).text
    ACCESS.tokens.revoke(tx, OWNER, ended.split("_")[1])
    ACCESS.remove(tx, OWNER, bob)
    tx.access.tokens.forget(gone.split("_")[1])
    tx.now += SHORTEST * SECOND
    swapped = "_".join(["stm", live.split("_")[1], other.split("_")[2]])
    unknown = "stm_" + "0" * 24 + "_" + "0" * 64
    texts = [
        short,
        ended,
        of_bob,
        gone,
        swapped,
        unknown,
        live[:-1],
        live.upper(),
        live + "0",
        "",
        "x",
        "\ud800",
        live + "\n",
    ]
    assert len({refused(tx, text) for text in texts}) == 1
    assert ACCESS.authenticate(tx, live).id == ada.id


def test_a_token_ends_at_its_time_and_not_before() -> None:
    tx = new_transaction()
    issued = issue(tx, person(tx, "Ada"), lifetime=3600)
    assert issued.token.expires == NOW + 3600 * SECOND
    tx.now = issued.token.expires - 1
    ACCESS.authenticate(tx, issued.text)
    tx.now += 1
    refused(tx, issued.text)


def test_the_secret_is_kept_nowhere() -> None:
    tx = new_transaction()
    issued = issue(tx, person(tx, "Ada"))
    secret = issued.text.split("_")[2]
    names = list(METADATA.tables)
    rows = [row for name in names for row in tx.connection.script(f'SELECT * FROM "{name}"')]  # noqa: S608  # of the schema
    assert any(issued.token.id in row for row in rows)
    for row in rows:
        for value in row:
            assert secret not in str(value)
            assert not isinstance(value, bytes) or (secret.encode() not in value and bytes.fromhex(secret) not in value)
    hashed = tx.access.tokens.known(issued.token.id)
    assert hashed is not None
    assert all(
        hashed.hashed not in entry.encode() and hashed.hashed.hex().encode() not in entry.encode()
        for entry in entries(tx)
    )


def test_without_a_token_one_is_the_owner_until_the_first_role_is_given() -> None:
    tx = new_transaction()
    assert ACCESS.authenticate(tx, None, owner=OWNER) is OWNER
    refused(tx, None)
    ada = person(tx, "Ada")
    issue(tx, ada)
    assert ACCESS.is_open(tx)
    grant = Grant(ada.id, "bank", Role.READER)
    ACCESS.grant(tx, OWNER, grant)
    assert not ACCESS.is_open(tx)
    ACCESS.revoke(tx, OWNER, grant)
    assert not ACCESS.is_open(tx), "taking the last role away must not open it"
    with pytest.raises(UnauthenticatedError):
        ACCESS.authenticate(tx, None, owner=OWNER)


@given(st.lists(st.tuples(st.sampled_from((*NAMESPACES, EVERYWHERE)), st.sampled_from(GRANTED)), max_size=4), SCOPES)
def test_both_must_permit(held: list[tuple[str, Role]], scope: Scope) -> None:
    tx = new_transaction()
    ada = person(tx, "Ada", *dict.fromkeys(held))
    caller = ACCESS.authenticate(tx, issue(tx, ada, scope).text)
    seen = readable(tx, caller)
    for namespace in NAMESPACES:
        here = frozenset(role for place, role in held if place in {namespace, EVERYWHERE})
        for permission in Permission:
            within = scope.namespaces is None or namespace in scope.namespaces
            narrowed = scope.roles is None or permits(scope.roles, permission)
            assert may(tx, caller, permission, namespace) == (permits(here, permission) and within and narrowed)
        assert (seen is None or namespace in seen) == may(tx, caller, Permission.READ, namespace)


@given(SCOPES, SCOPES)
def test_a_scope_covers_what_admits_nothing_more(one: Scope, other: Scope) -> None:
    pairs = [(permission, namespace) for permission in Permission for namespace in (*NAMESPACES, EVERYWHERE, "new")]
    within = all(one.admits(*pair) for pair in pairs if other.admits(*pair))
    assert not one.covers(other) or within
    assert one.covers(one)
    assert ALL.covers(one)


@given(SCOPES, SCOPES)
def test_a_token_makes_no_wider_one(mine: Scope, wanted: Scope) -> None:
    tx = new_transaction()
    ada = person(tx, "Ada", (EVERYWHERE, Role.ADMIN), (EVERYWHERE, Role.DEPLOYER), (EVERYWHERE, Role.APPROVER))
    caller = ACCESS.authenticate(tx, issue(tx, ada, mine).text)
    try:
        made = ACCESS.tokens.issue(tx, caller, ada, wanted)
    except StemmaError:
        assert not mine.covers(wanted) or wanted.namespaces is not None
        return
    assert mine.covers(wanted)
    other = ACCESS.authenticate(tx, made.text)
    for permission in Permission:
        for namespace in NAMESPACES:
            assert may(tx, caller, permission, namespace) or not may(tx, other, permission, namespace)


def test_a_token_makes_none_that_lasts_longer() -> None:
    tx = new_transaction()
    ada = person(tx, "Ada", ("bank", Role.READER))
    first = issue(tx, ada, lifetime=DAY)
    caller = ACCESS.authenticate(tx, first.text)
    tx.now += 3600 * SECOND
    assert ACCESS.tokens.issue(tx, caller, ada).token.expires == first.token.expires
    assert ACCESS.tokens.issue(tx, caller, ada, lifetime=60).token.expires == tx.now + 60 * SECOND
    with pytest.raises(ForbiddenError, match="lasts longer than itself"):
        ACCESS.tokens.issue(tx, caller, ada, lifetime=DAY)
    tx.now = first.token.expires
    with pytest.raises(UnauthenticatedError):
        ACCESS.tokens.issue(tx, caller, ada)


def test_with_a_token_end_those_that_were_made_by_showing_it() -> None:
    tx = new_transaction()
    ada = person(tx, "Ada", (EVERYWHERE, Role.ADMIN))
    bob = person(tx, "Bob", ("bank", Role.READER))
    first = issue(tx, ada)
    child = ACCESS.tokens.issue(tx, ACCESS.authenticate(tx, first.text), ada)
    grandchild = ACCESS.tokens.issue(tx, ACCESS.authenticate(tx, child.text), ada)
    of_bob = ACCESS.tokens.issue(tx, ACCESS.authenticate(tx, first.text), bob)
    beside = issue(tx, ada)
    assert ACCESS.tokens.revoke(tx, OWNER, first.token.id)
    assert not ACCESS.tokens.revoke(tx, OWNER, first.token.id)
    for ended in (first, child, grandchild):
        refused(tx, ended.text)
    for live in (of_bob, beside):
        ACCESS.authenticate(tx, live.text)
    assert [entry.thing.id for entry in entries(tx) if entry.action == "token.revoke"] == [
        first.token.id,
        child.token.id,
        grandchild.token.id,
    ]


def test_for_others_one_must_govern_every_namespace_of_the_scope() -> None:
    tx = new_transaction()
    ada = person(tx, "Ada", ("bank", Role.ADMIN), ("risk", Role.READER))
    bot = person(tx, "bot", ("bank", Role.CONTRIBUTOR), ("risk", Role.CONTRIBUTOR))
    made = ACCESS.tokens.issue(tx, local(ada), bot, Scope(frozenset({"bank"})))
    for scope in (ALL, Scope(frozenset({"bank", "risk"})), Scope(None, frozenset({Role.READER}))):
        with pytest.raises(ForbiddenError):
            ACCESS.tokens.issue(tx, local(ada), bot, scope)
    with pytest.raises(NotFoundError):
        ACCESS.tokens.issue(tx, local(ada), bot, Scope(frozenset({"trade"})))
    caller = ACCESS.authenticate(tx, made.text)
    ACCESS.grant(tx, OWNER, Grant(bot.id, "trade", Role.ADMIN))
    assert not may(tx, caller, Permission.READ, "trade"), "who made it never governs more through it"


def test_one_sees_and_ends_ones_own_tokens_and_what_one_might_have_made() -> None:
    tx = new_transaction()
    ada, bob = person(tx, "Ada", ("bank", Role.ADMIN)), person(tx, "Bob", ("bank", Role.READER))
    of_ada, of_bob = issue(tx, ada), issue(tx, bob, Scope(frozenset({"bank"})))
    wide_of_bob = issue(tx, bob)
    narrow = issue(tx, bob, Scope(None, frozenset({Role.READER})))
    tokens = ACCESS.tokens
    assert tokens.page(tx, local(ada), bob.id)[0] == (of_bob.token,)
    shown = {token.id for token in tokens.page(tx, local(bob), bob.id)[0]}
    assert shown == {of_bob.token.id, wide_of_bob.token.id, narrow.token.id}
    by_narrow = ACCESS.authenticate(tx, narrow.text)
    assert tokens.page(tx, by_narrow, bob.id)[0] == (narrow.token,)
    for caller, token in ((local(bob), of_ada), (local(ada), wide_of_bob), (by_narrow, wide_of_bob)):
        with pytest.raises(NotFoundError):
            tokens.revoke(tx, caller, token.token.id)
        with pytest.raises(NotFoundError):
            tokens.show(tx, caller, token.token.id)
    assert tokens.revoke(tx, by_narrow, narrow.token.id)
    assert tokens.revoke(tx, local(ada), of_bob.token.id)
    with pytest.raises(ForbiddenError):
        tokens.page(tx, local(ada), None)
    assert len(tokens.page(tx, OWNER, None, limit=2)[0]) == 2


def test_what_cannot_be_issued() -> None:
    tx = new_transaction()
    ada = person(tx, "Ada", ("bank", Role.READER))
    with pytest.raises(InvalidError):
        Scope(frozenset())
    with pytest.raises(InvalidError):
        Scope(None, frozenset())
    with pytest.raises(InvalidError):
        Scope(frozenset({"Not a namespace"}))
    with pytest.raises(InvalidError, match="folder"):
        issue(tx, ada, Scope(None, frozenset({Role.OWNER})))
    for lifetime in (0, -1, SHORTEST - 1, LONGEST + 1):
        with pytest.raises(InvalidError, match="seconds"):
            issue(tx, ada, lifetime=lifetime)
    for note in ("a\nb", "x" * 300):
        with pytest.raises(InvalidError, match="note"):
            ACCESS.tokens.issue(tx, OWNER, ada, note=note)
    with pytest.raises(NotFoundError):
        ACCESS.tokens.issue(tx, local(ada), ada, Scope(frozenset({"risk"})))
    for _ in range(MAX_LIVE):
        issue(tx, ada)
    with pytest.raises(ConflictError, match="already"):
        issue(tx, ada)
    tx.now += USUAL * SECOND
    issue(tx, ada)


def test_who_is_removed_can_do_nothing_more_and_their_name_is_free() -> None:
    tx = new_transaction()
    ada = person(tx, "Ada", ("bank", Role.ADMIN), (EVERYWHERE, Role.READER))
    issued = issue(tx, ada)
    ACCESS.remove(tx, OWNER, ada, forget=True)
    refused(tx, issued.text)
    assert not may(tx, local(ada), Permission.READ, "bank")
    assert ACCESS.name_of(tx, ada.id) is None
    assert ACCESS.find(tx, ada.id).disabled == NOW
    again = person(tx, "ADA")
    assert ACCESS.find(tx, "ada") == again
    with pytest.raises(ConflictError, match="was removed"):
        ACCESS.remove(tx, OWNER, ACCESS.find(tx, ada.id))
    with pytest.raises(ConflictError, match="was removed"):
        ACCESS.grant(tx, OWNER, Grant(ada.id, "bank", Role.READER))
    with pytest.raises(ConflictError, match="was removed"):
        issue(tx, ACCESS.find(tx, ada.id))


def test_who_acts_in_another_repository_is_known_by_name_only() -> None:
    tx = new_transaction()
    there = "u_" + "7" * 32
    carry(tx, OWNER, [Carried(there, "Ada")], "stemma.example/other/bank")
    assert ACCESS.name_of(tx, there) == "Ada"
    carried = ACCESS.find(tx, there)
    assert carried.carried
    assert ACCESS.page(tx, OWNER)[0] == ()
    with pytest.raises(NotFoundError):
        ACCESS.find(tx, "Ada")
    with pytest.raises(ConflictError, match="another repository"):
        ACCESS.grant(tx, OWNER, Grant(there, "bank", Role.READER))
    with pytest.raises(ConflictError, match="another repository"):
        issue(tx, carried)
    with pytest.raises(ConflictError, match="another repository"):
        ACCESS.remove(tx, OWNER, carried)
    assert person(tx, "Ada").id != there


def test_who_may_remove_whom() -> None:
    tx = new_transaction()
    ada = person(tx, "Ada", (EVERYWHERE, Role.ADMIN))
    clerk = person(tx, "Clerk", (SYSTEM_NAMESPACE, Role.ADMIN))
    bob = person(tx, "Bob", ("bank", Role.READER))
    with pytest.raises(ConflictError, match="themselves"):
        ACCESS.remove(tx, local(ada), ada)
    for other in (ada, bob):
        with pytest.raises((ForbiddenError, NotFoundError)):
            ACCESS.remove(tx, local(clerk), other)
    with pytest.raises(ForbiddenError):
        ACCESS.remove(tx, local(bob), clerk)
    with pytest.raises(ConflictError, match="last admin everywhere"):
        ACCESS.remove(tx, OWNER, ada)
    with pytest.raises(ConflictError, match="last admin everywhere"):
        ACCESS.revoke(tx, local(ada), Grant(ada.id, EVERYWHERE, Role.ADMIN))
    second = person(tx, "Second", (EVERYWHERE, Role.ADMIN))
    ACCESS.remove(tx, local(ada), bob)
    ACCESS.remove(tx, local(second), ada)


@pytest.mark.parametrize("mine", GRANTED)
@pytest.mark.parametrize("given_role", Role)
def test_nobody_gives_more_than_they_govern(mine: Role, given_role: Role) -> None:
    for place in ("bank", SYSTEM_NAMESPACE, EVERYWHERE):
        tx = new_transaction()
        ada, bob = person(tx, "Ada", (place, mine)), person(tx, "Bob")
        for wanted in ("bank", SYSTEM_NAMESPACE, EVERYWHERE):
            governs = mine is Role.ADMIN and (place in {wanted, EVERYWHERE})
            grant = Grant(bob.id, wanted, given_role)
            if governs and given_role is not Role.OWNER:
                assert ACCESS.grant(tx, local(ada), grant)
            else:
                with pytest.raises(StemmaError):
                    ACCESS.grant(tx, local(ada), grant)
                assert not tx.access.roles.holds(grant)


def test_names_are_unique_in_any_spelling_and_none_looks_like_a_pseudonym() -> None:
    tx = new_transaction()
    ada = person(tx, "Ada Lovelace")
    for name in ("ada lovelace", "ADA LOVELACE", "\uff21\uff44\uff41 Lovelace", "Ada  Lovelace"):
        with pytest.raises(StemmaError, match="is that of"):
            person(tx, name)
        assert ACCESS.find(tx, name) == ada
    for name in (" Ada", "Ada ", ada.id):
        with pytest.raises(InvalidError):
            person(tx, name)


def test_whom_one_may_see() -> None:
    tx = new_transaction()
    ada = person(tx, "Ada", ("bank", Role.ADMIN))
    bob = person(tx, "Bob", ("bank", Role.READER), ("risk", Role.READER))
    eve = person(tx, "Eve", ("risk", Role.ADMIN))
    root = person(tx, "Root", (EVERYWHERE, Role.ADMIN))
    alone = person(tx, "Alone")

    def seen(caller: Caller) -> set[str]:
        found: list[str] = []
        after, more = "", True
        while more:
            page, more = ACCESS.page(tx, caller, after=after, limit=1)
            found += [principal.id for principal in page]
            after = found[-1]
        return set(found)

    everybody = {each.id for each in (ada, bob, eve, root, alone)}
    expected = {
        ada: {ada.id, bob.id, root.id},
        bob: {ada.id, bob.id, eve.id, root.id},
        root: everybody,
        alone: {alone.id},
    }
    for principal, visible in expected.items():
        assert seen(local(principal)) == visible
        for other in everybody:
            if other in visible:
                assert ACCESS.who(tx, local(principal), other).id == other
            else:
                with pytest.raises(NotFoundError):
                    ACCESS.who(tx, local(principal), other)
    assert ACCESS.roles(tx, local(ada), bob.id) == (Grant(bob.id, "bank", Role.READER),)
    members = ACCESS.members(tx, local(ada), "bank", limit=2)
    assert len(members) == 3
    assert {principal for principal, _ in ACCESS.members(tx, local(ada), "bank")} == {ada.id, bob.id, root.id}


def test_who_makes_a_namespace_governs_it() -> None:
    tx = new_transaction()
    clerk = person(tx, "Clerk", (SYSTEM_NAMESPACE, Role.ADMIN))
    root = person(tx, "Root", (EVERYWHERE, Role.ADMIN))
    assert ACCESS.found(tx, local(clerk), "bank")
    assert may(tx, local(clerk), Permission.GRANT, "bank")
    assert not ACCESS.found(tx, local(root), "risk")
    assert not ACCESS.found(tx, OWNER, "trade")


def test_all_follows_from_entries() -> None:
    """Replayed into an empty database, entries give the same rows, also of who was removed and forgotten."""
    tx = new_transaction()
    ada = person(tx, "Ada", (EVERYWHERE, Role.ADMIN))
    bob = person(tx, "Bob", ("bank", Role.READER))
    scope = Scope(frozenset({"bank"}), frozenset({Role.READER}))
    first = ACCESS.tokens.issue(tx, OWNER, ada, note="laptop")
    ACCESS.tokens.issue(tx, ACCESS.authenticate(tx, first.text), bob, scope)
    tx.now += SECOND
    ACCESS.tokens.revoke(tx, OWNER, first.token.id)
    ACCESS.remove(tx, OWNER, bob, forget=True)
    person(tx, "bob")
    again = new_transaction()
    for commitment, salt, text in tx.connection.script(
        "SELECT commitment, salt, text FROM texts WHERE text IS NOT NULL"
    ):
        again.texts.put(str(Digest.from_raw(commitment)), salt, text)
    for entry in entries(tx):
        again.now = entry.time
        ACCESS.project(again, entry)
    for table in ("principals", "roles", "tokens"):
        query = f"SELECT * FROM {table} ORDER BY 1, 2, 3"  # noqa: S608  # one of three
        assert again.connection.script(query) == tx.connection.script(query)


@pytest.mark.parametrize("logs", [None, frozenset({"bank"})], ids=["reading", "writing"])
@pytest.mark.parametrize("is_beside", [False, True], ids=["here", "another process"])
def test_a_token_that_was_remembered_ends_like_any_other(
    tmp_path: Path, logs: frozenset[str] | None, *, is_beside: bool
) -> None:
    """What was found is remembered while nobody changes people, roles or tokens: by this process or another."""
    create_folder(tmp_path)
    folder, beside = open_folder(tmp_path), open_folder(tmp_path)
    try:
        owner = folder.owner("keeper")
        run, access = cast("Executor", folder.system.executor), folder.access
        other = beside if is_beside else folder
        ada = run.write(lambda tx: access.introduce(tx, owner, "user", "Ada"))
        run.write(lambda tx: access.grant(tx, owner, Grant(ada.id, "bank", Role.READER)))
        text = run.write(lambda tx: access.tokens.issue(tx, owner, ada).text)

        def look(tx: Transaction) -> bool:
            return may(tx, access.authenticate(tx, text), Permission.READ, "bank")

        def ask() -> bool:
            return run.read(look) if logs is None else run.write(look, logs)

        assert all(ask() for _ in range(3))
        remembered = run.read if logs is None else partial(run.write, logs=logs)
        assert remembered(lambda tx: len(tx.connection.memory[1])) == 2  # that it was is what makes this a test
        other.system.executor.write(lambda tx: other.access.revoke(tx, owner, Grant(ada.id, "bank", Role.READER)))
        assert not ask()
        other.system.executor.write(lambda tx: other.access.tokens.revoke(tx, owner, text.split("_")[1]))
        with pytest.raises(UnauthenticatedError):
            ask()
    finally:
        folder.close()
        beside.close()


def test_nothing_is_remembered_where_it_may_change(tmp_path: Path) -> None:
    create_folder(tmp_path)
    folder = open_folder(tmp_path)
    try:
        owner = folder.owner("keeper")

        def change(tx: Transaction) -> tuple[bool, bool]:
            ada = folder.access.introduce(tx, owner, "user", "Ada")
            caller = Caller(Actor("user", ada.id))
            before = may(tx, caller, Permission.READ, "bank")
            folder.access.grant(tx, owner, Grant(ada.id, "bank", Role.READER))
            return before, may(tx, caller, Permission.READ, "bank")

        assert cast("Executor", folder.system.executor).write(change) == (False, True)
    finally:
        folder.close()
