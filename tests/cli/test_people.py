"""Commands about people, tokens and namespaces, on a real folder."""

from pathlib import Path

import pytest

from stemma.access.token import public_id
from stemma.cli.answers import Namespaces, Principals, RoleChanged, TokenRevoked, Tokens
from stemma.operations.people.values import Identity, NamespaceView, PrincipalView, TokenCreated
from tests.cli.running import process, stemma

pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def place() -> str:
    """Stay in a folder: with its first admin, a server asks for tokens."""
    return "folder"


YEAR = 366 * 86_400


def add(name: str, *options: str) -> PrincipalView:
    return stemma("user", "add", name, "--json", *options).read(PrincipalView)


def test_people_are_added_shown_and_removed() -> None:
    ada = add("Ada Lovelace", "--role", "admin", "--everywhere")
    assert (ada.kind, [(grant.role, grant.namespace) for grant in ada.roles]) == ("user", [("admin", "*")])
    assert stemma("user", "show", "ADA lovelace", "--json").read(PrincipalView) == ada
    assert "admin everywhere" in stemma("user", "show", ada.id).out
    clash = stemma("user", "add", "ada LOVELACE")
    assert (clash.code, clash.out) == (5, "")
    bot = add("nightly", "--service")
    assert bot.id.startswith("s_")
    listed = stemma("user", "list", "--json").read(Principals)
    assert {view.name for view in listed.principals} >= {"Ada Lovelace", "nightly"}
    assert stemma("user", "list", "-n", "1", "--json").read(Principals).truncated
    gone = stemma("user", "remove", "nightly", "--yes", "--forget", "--json").read(PrincipalView)
    assert (gone.name, gone.roles) == (None, ())
    assert gone.removed is not None
    assert "nightly" not in stemma("user", "list").out
    assert "removed" in stemma("user", "list", "--all").out
    assert "(forgotten)" in stemma("user", "list", "--all").out
    last = stemma("user", "remove", "Ada Lovelace", "--yes")
    assert (last.code, last.out) == (5, "")
    assert "last admin everywhere" in last.err


def test_roles_are_given_and_taken() -> None:
    stemma("namespace", "create", "bank")
    add("Ada")
    given = stemma("user", "grant", "ada", "deployer", "--namespace", "bank", "--json").read(RoleChanged)
    assert (given.granted, given.changed, given.namespace) == (True, True, "bank")
    again = stemma("user", "grant", "ada", "deployer", "--namespace", "bank")
    assert (again.code, again.out) == (0, "")
    assert "already" in again.err
    assert "deployer in bank" in stemma("namespace", "members", "bank").out
    taken = stemma("user", "revoke", "ada", "deployer", "--namespace", "bank", "--json").read(RoleChanged)
    assert (taken.granted, taken.changed) == (False, True)
    assert stemma("namespace", "members", "bank", "--json").read(Principals).principals == ()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("user", "grant", "ada", "reader"), 2, "it is not said where"),
        (("user", "grant", "ada", "reader", "--namespace", "bank", "--everywhere"), 2, "leave one of them out"),
        (("user", "grant", "ada", "wizard", "--everywhere"), 2, "is not a role"),
        (("user", "grant", "ada", "owner", "--everywhere"), 2, "whoever owns the folder"),
        (("user", "grant", "eve", "reader", "--everywhere"), 3, "nobody called 'eve'"),
        (("user", "grant", "ada", "reader", "--namespace", "nowhere"), 3, "no namespace 'nowhere'"),
        (("user", "add", "Bob", "--role", "reader"), 2, "a first role needs a namespace"),
        (("user", "add", "Bob\x1b[31m"), 2, "is no display name"),
        (("user", "remove", "ada"), 2, "nobody can be asked"),
        (("token", "revoke", "0" * 24), 2, "nobody can be asked"),
        (("token", "revoke", "0" * 24, "--yes"), 3, "there is no token"),
        (("token", "create", "--expires", "soon"), 2, "no length of time"),
        (("token", "create", "--expires", "1s"), 2, "seconds"),
        (("token", "create", "--expires", "999d"), 2, "seconds"),
        (("token", "create", "--namespace", "nowhere"), 3, "no namespace 'nowhere'"),
        (("token", "create", "--role", "owner"), 2, "nobody's folder"),
        (("token", "list", "--for", "ada", "--everybody"), 2, "somebody or of everybody"),
        (("namespace", "create", "Not A Name"), 2, "namespace"),
        (("namespace", "create", "bank"), 5, "there is a namespace 'bank' already"),
        (("namespace", "members", "nowhere"), 3, "no namespace 'nowhere'"),
    ],
)
def test_what_is_wrong_is_said_and_changes_nothing(arguments: tuple[str, ...], code: int, message: str) -> None:
    stemma("namespace", "create", "bank")
    add("ada")
    before = stemma("audit", "log", "_system", "--json").out
    ran = stemma(*arguments)
    assert (ran.code, ran.out) == (code, "")
    assert message in ran.err.lower() or message in ran.err
    assert stemma("audit", "log", "_system", "--json").out == before


def test_a_token_is_printed_once_and_alone() -> None:
    stemma("namespace", "create", "bank")
    add("ci", "--service", "--role", "contributor", "--namespace", "bank")
    ran = stemma("token", "create", "--for", "ci", "--namespace", "bank", "--role", "reader", "--note", "nightly")
    assert ran.code == 0
    secret = ran.out.removesuffix("\n")
    identity = public_id(secret)
    assert identity is not None
    assert secret not in ran.err
    assert identity in ran.err
    (token,) = stemma("token", "list", "--for", "ci", "--json").read(Tokens).tokens
    assert (token.id, token.namespaces, token.roles, token.note) == (identity, ("bank",), ("reader",), "nightly")
    for command in ("list", "list --all", "list --everybody"):
        shown = stemma("token", *command.split())
        assert secret not in shown.out + shown.err
    assert stemma("token", "revoke", identity, "--yes", "--json").read(TokenRevoked).changed
    assert not stemma("token", "revoke", identity, "--yes", "--json").read(TokenRevoked).changed
    assert stemma("token", "list", "--for", "ci", "--json").read(Tokens).tokens == ()
    assert stemma("token", "list", "--for", "ci", "--all", "--json").read(Tokens).tokens[0].state == "revoked"


def test_whose_token_it_is_is_said_either_way() -> None:
    ada = add("ada", "--role", "reader", "--everywhere")
    for said in (("ada",), ("--for", "ada"), ("ada", "--for", "ada")):
        assert stemma("token", "create", *said, "--json").read(TokenCreated).token.principal == ada.id
        assert {each.principal for each in stemma("token", "list", *said, "--json").read(Tokens).tokens} == {ada.id}
    assert stemma("token", "create", "ada", "--for", "grace").code == 2


def test_a_family_without_a_command_says_what_there_is() -> None:
    bare = stemma("token")
    assert (bare.code, bare.out) == (2, "")
    assert bare.err == stemma("token", "--help").out
    assert '"Missing command."' in stemma("token", "--json").err


def test_a_token_as_json() -> None:
    created = stemma("token", "create", "--expires", "12h", "--json").read(TokenCreated)
    assert public_id(created.secret) == created.token.id
    assert (created.token.namespaces, created.token.roles, created.token.state) == (None, None, "live")


def test_with_quiet_only_the_token_is_printed() -> None:
    ran = stemma("token", "create", "-q")
    assert public_id(ran.out.strip()) is not None
    assert ran.err == ""


def test_namespaces_are_made_and_listed() -> None:
    made = stemma("namespace", "create", "bank", "--json").read(NamespaceView)
    assert (made.namespace, made.role) == ("bank", None)
    stemma("namespace", "create", "risk")
    assert stemma("namespace", "list").out == "bank\nrisk\n"
    assert stemma("namespace", "list", "--json").read(Namespaces).namespaces == ("bank", "risk")
    cut = stemma("namespace", "list", "-n", "1", "--json").read(Namespaces)
    assert (cut.namespaces, cut.truncated) == (("bank",), True)


def test_who_one_is_in_a_folder() -> None:
    identity = stemma("whoami", "--json").read(Identity)
    assert (identity.owner, identity.authentication, identity.token) == (True, "local", None)
    ran = stemma("whoami")
    assert ran.code == 0
    assert "the owner of this folder" in ran.out


def test_the_name_of_an_account_is_one_principal_in_any_case(folder: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "STEMMA_USER": "Keeper", "XDG_CONFIG_HOME": str(folder.parent / "home")}
    first = process("whoami", "--json", cwd=folder, environment=environment).read(Identity)
    again = process("whoami", "--json", cwd=folder, environment=environment | {"STEMMA_USER": "KEEPER"})
    assert again.read(Identity).id == first.id
