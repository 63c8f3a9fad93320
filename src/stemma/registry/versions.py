"""Registering versions, giving them numbers, withdrawing them, and reading what is known of one.

A registration is two entries, `version.register` and `version.number` (only the first where the number is pending),
before which a `model.create` stands if the model is new, and after which an `evidence.add` if its impact was stated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from types import MappingProxyType

from stemma.access import Caller, Permission, require
from stemma.errors import AlreadyExistsError, ConflictError, CorruptError, InvalidError, NotFoundError, UnsupportedError
from stemma.ledger import Draft, Fact, Thing, append_many, commit_text
from stemma.lineage import walk
from stemma.names import ModelName, Selector, check_pointer
from stemma.paging import check_limit, split_page
from stemma.records import Digest
from stemma.registry.numbering import MAIN, Numbering, check_release, number_for, refuse_taken, release_for
from stemma.registry.pointers import FIRST_PAGE, check_not_alias
from stemma.registry.projection import Made, project
from stemma.registry.records.evidence import Evidence, Measurement
from stemma.registry.records.message import Message, clean_line, clean_reason, clean_text, fold
from stemma.registry.records.parameters import Parameter, decode_parameters, encode_parameters
from stemma.registry.records.version import DETACHED, Parent, ParentKind, Version
from stemma.registry.resolve import branch_tip, can_read, find_model, find_version, registered, unknown_branch
from stemma.registry.store import Branch, Registration, RegistryTransaction
from stemma.semver import SemanticVersion

MAX_DETACHED = 1 << 20
_LINES = frozenset({"author", "host"})
_ANCESTORS = 1000
_WORDS = 20


@dataclass(frozen=True, slots=True)
class Submission:
    """What is to be registered.

    With a `message` the version is new: its time and commitments are filled in from the transaction, the message and
    `detached` (author, host, command, diff); without parents it continues the head of the branch unless `is_root`.
    Without a message `version` is registered as it is, for a record that was made elsewhere. With `if_changed` the
    head of the branch is answered where it has the same content. `parameters` are what it was trained with,
    `measurements` what is known of it already.
    """

    version: Version
    message: Message | None = None
    detached: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    measurements: Sequence[Measurement] = ()
    branch: str = MAIN
    numbering: Numbering = field(default_factory=Numbering)
    is_root: bool = False
    if_changed: bool = False


@dataclass(frozen=True, slots=True)
class Registered:
    """The version that answers a submission; `created` is False where it was there already."""

    version: Registration
    created: bool


@dataclass(frozen=True, slots=True)
class Account:
    """All that a version's own record says, with its texts (None where redacted), and what became of it.

    `taints` are those of its withdrawn ancestors that the caller may read.
    """

    registration: Registration
    version: Version
    parameters: Mapping[str, Parameter]
    texts: Mapping[str, str | None]
    aliases: tuple[str, ...]
    reason: str | None
    taints: tuple[Registration, ...]


class Versions:
    """The versions of models."""

    def register(self, tx: RegistryTransaction, caller: Caller, model: ModelName, submission: Submission) -> Registered:
        """Register a version on a branch, and make the model if it is new.

        AlreadyExistsError where the number is taken or the very record is registered; NotFoundError for a namespace,
        branch, parent or manifest that is not there.
        """
        require(tx, caller, Permission.REGISTER, model.namespace)
        known = tx.registry.models.find(model)
        if known is None and tx.registry.namespaces.find(model.namespace) is None:
            raise NotFoundError(f"there is no namespace {model.namespace!r}", hint="Make it before the first version.")
        branch = _branch_for(tx, model, submission.branch, is_new=known is None or known.last == 0)
        if submission.if_changed and (same := _unchanged(tx, model, branch, submission.version)):
            return Registered(same, created=False)
        version = _complete(tx, model, branch, submission)
        _check_references(tx, caller, model.namespace, version)
        data = version.encode()
        digest = Digest.of(data)
        # Where there is a message, its salted commitment has made the record a new one.
        if submission.message is None and (present := tx.registry.versions.between(model, digest, digest, 1)):
            if submission.if_changed:
                return Registered(present[0], created=False)
            raise AlreadyExistsError(f"this very version is registered as {present[0]} of {model}")
        sequence = 1 if known is None else known.last + 1
        head = None if branch is None else registered(tx, model, branch.head)
        number = number_for(tx, model, submission.branch, submission.numbering, branch=branch, head=head)
        tx.records.put(digest, data)
        drafts = _Drafts(caller, model, digest)
        drafts.made[digest] = version
        entered = [] if known is not None else [drafts.create()]
        entered.append(drafts.register(sequence, submission.branch, None if head is None else head.digest))
        if number is not None:
            entered.append(drafts.number(sequence, number, submission.numbering.chosen is not None))
        if submission.message is not None and submission.message.impact:
            entered.append(_impact(tx, drafts, sequence, submission.message.impact))
        if submission.measurements:
            entered.append(_measured(tx, drafts, sequence, submission.measurements))
        _enter(tx, entered, drafts.made)
        return Registered(registered(tx, model, sequence), created=True)

    def release(
        self,
        tx: RegistryTransaction,
        caller: Caller,
        model: ModelName,
        selector: Selector | None,
        number: SemanticVersion | None = None,
    ) -> Registration:
        """Bind a release number to a version that has none: the chosen one, else the one it works towards.

        Its pre-release, if it has one, goes on naming it.
        """
        require(tx, caller, Permission.REGISTER, model.namespace)
        version = find_version(tx, model, selector)
        if version.release is not None:
            raise ConflictError(f"{version} of {model} is released already; a version has one release number")
        if version.withdrawn is not None:
            raise ConflictError(f"{version} of {model} is withdrawn and cannot be released")
        if number is None:
            chosen = release_for(tx, version)
        else:
            check_release(number)
            refuse_taken(tx, model, number)
            chosen = number
        _enter(tx, [_Drafts(caller, model, version.digest).number(version.sequence, chosen, number is not None)])
        return registered(tx, model, version.sequence)

    def withdraw(
        self, tx: RegistryTransaction, caller: Caller, model: ModelName, selector: Selector | None, *, reason: str
    ) -> Registration:
        """Say for ever that a version must not be used; ConflictError while an alias points at it.

        Its number stays taken, its descendants are marked as tainted and go on.
        """
        require(tx, caller, Permission.WITHDRAW, model.namespace)
        version = find_version(tx, model, selector)
        why = clean_reason(reason, "a withdrawal")
        if version.withdrawn is not None:
            raise ConflictError(f"{version} of {model} is withdrawn already")
        if holding := tx.registry.aliases.holding(model, version.sequence):
            listed = ", ".join(holding)
            hint = f"Move it first: 'stemma alias back {model} {holding[0]} -m REASON'."
            raise ConflictError(f"{version} of {model} is what {listed} points at", hint=hint)
        _enter(tx, [_Drafts(caller, model, version.digest).withdraw(version.sequence, commit_text(tx, why))])
        return registered(tx, model, version.sequence)

    def show(self, tx: RegistryTransaction, caller: Caller, model: ModelName, selector: Selector | None) -> Account:
        """Return what is known of a version."""
        require(tx, caller, Permission.READ, model.namespace)
        registration = find_version(tx, model, selector)
        version = read_version(tx, registration.digest)
        reason = None if registration.reason is None else tx.texts.read(registration.reason)
        return Account(
            registration,
            version,
            _parameters(tx, version),
            _texts(tx, version),
            tuple(tx.registry.aliases.holding(model, registration.sequence)),
            None if reason is None else reason[1],
            _taints(tx, caller, registration) if registration.tainted else (),
        )

    def subjects(
        self, tx: RegistryTransaction, caller: Caller, versions: Sequence[Registration]
    ) -> tuple[str | None, ...]:
        """Return the first line of each version's message, None where it is redacted."""
        for namespace in {version.model.namespace for version in versions}:
            require(tx, caller, Permission.READ, namespace)
        found = (_texts(tx, read_version(tx, version.digest)).get("what") for version in versions)
        return tuple(None if what is None else what.lstrip().partition("\n")[0] for what in found)

    def find(self, tx: RegistryTransaction, caller: Caller, digest: Digest) -> tuple[Registration, ...]:
        """Return a version as every model has it that the caller may read; nothing where none has."""
        return _readable(tx, caller, digest)

    def page(
        self, tx: RegistryTransaction, caller: Caller, model: ModelName, *,
        branch: str | None = None, text: str | None = None, before: int | None = None, limit: int | None = None,
    ) -> tuple[tuple[Registration, ...], bool]:  # fmt: skip
        """Return versions with sequence numbers under `before`, newest first, and whether more follow.

        With `text` only those of whatever branch whose message holds each of its words, in any case and as parts.
        """
        require(tx, caller, Permission.READ, model.namespace)
        find_model(tx, model)
        if branch is not None and tx.registry.branches.find(model, branch) is None:
            raise unknown_branch(tx, model, branch)
        size, start = check_limit(limit), FIRST_PAGE if before is None else before
        if text is not None:
            return split_page(tx.registry.messages.versions(model, _words(text), start, size + 1), size)
        return split_page(tx.registry.versions.page(model, start, size + 1, branch), size)


def _words(text: str) -> list[str]:
    words = list(dict.fromkeys(fold(text).split()))
    if not 1 <= len(words) <= _WORDS:
        raise InvalidError(f"a search takes 1 to {_WORDS} different words, not {len(words)}")
    return words


def read_version(tx: RegistryTransaction, digest: Digest) -> Version:
    """Return the record of a registered version; CorruptError where it is missing or is not what its digest says."""
    data = tx.records.read(digest)
    if data is None:
        raise CorruptError("the record of a registered version is missing", place=f"record {digest}")
    if Digest.of(data) != digest:
        raise CorruptError("the record does not match its digest", place=f"record {digest}")
    return Version.decode(data, place=f"record {digest}")


@dataclass(frozen=True, slots=True)
class _Drafts:
    """Makes the entries about one version, and remembers the records that they name."""

    caller: Caller
    model: ModelName
    digest: Digest
    made: dict[Digest, Version | Evidence] = field(default_factory=dict)

    def create(self) -> Draft:
        thing = Thing("model", str(self.model))
        return Draft(self.model.namespace, self.caller.actor, "model.create", thing, facts={"model": self.model.name})

    def register(self, sequence: int, branch: str, head: Digest | None) -> Draft:
        return self._about("register", sequence, {"branch": branch}, before=head)

    def number(self, sequence: int, number: SemanticVersion, is_chosen: bool) -> Draft:  # noqa: FBT001
        return self._about("number", sequence, {"number": str(number), "chosen": is_chosen})

    def withdraw(self, sequence: int, reason: Digest) -> Draft:
        return self._about("withdraw", sequence, {}, reason=reason)

    def evidence(self, tx: RegistryTransaction, sequence: int, evidence: Evidence) -> Draft:
        data = evidence.encode()
        digest = Digest.of(data)
        tx.records.put(digest, data)
        self.made[digest] = evidence
        facts: dict[str, Fact] = {"model": self.model.name, "sequence": sequence, "kind": evidence.kind}
        thing = Thing("version", str(self.model), self.digest)
        return Draft(self.model.namespace, self.caller.actor, "evidence.add", thing, after=digest, facts=facts)

    def _about(
        self,
        verb: str,
        sequence: int,
        facts: Mapping[str, Fact],
        *,
        before: Digest | None = None,
        reason: Digest | None = None,
    ) -> Draft:
        return Draft(
            self.model.namespace,
            self.caller.actor,
            f"version.{verb}",
            Thing("version", str(self.model), self.digest),
            before,
            self.digest,
            reason,
            facts={"model": self.model.name, "sequence": sequence, **facts},
        )


def _enter(tx: RegistryTransaction, drafts: Sequence[Draft], made: Made = MappingProxyType({})) -> None:
    for entry in append_many(tx, drafts):
        project(tx, entry, made)


def _impact(tx: RegistryTransaction, drafts: _Drafts, sequence: int, impact: str) -> Draft:
    return drafts.evidence(tx, sequence, Evidence("impact", drafts.digest, tx.now, statement=commit_text(tx, impact)))


def _measured(tx: RegistryTransaction, drafts: _Drafts, sequence: int, measurements: Sequence[Measurement]) -> Draft:
    return drafts.evidence(tx, sequence, Evidence("metrics", drafts.digest, tx.now, tuple(measurements)))


def _branch_for(tx: RegistryTransaction, model: ModelName, name: str, *, is_new: bool) -> Branch | None:
    """Return the branch to register on, None for a first line that registering makes."""
    check_pointer(name, "branch")
    branch = tx.registry.branches.find(model, name)
    if branch is None and not is_new and name != MAIN:
        raise unknown_branch(tx, model, name)
    if branch is None:
        check_not_alias(tx, model, name)
    return branch


def _unchanged(
    tx: RegistryTransaction, model: ModelName, branch: Branch | None, version: Version
) -> Registration | None:
    """Return the head of the branch if a consumer would receive the same from it and it is not withdrawn."""
    if branch is None:
        return None
    head = registered(tx, model, branch.head)
    is_same = head.withdrawn is None and read_version(tx, head.digest).content == version.content
    return head if is_same else None


def _complete(tx: RegistryTransaction, model: ModelName, branch: Branch | None, submission: Submission) -> Version:
    version = submission.version
    if submission.message is None:
        if submission.detached or submission.parameters:
            raise InvalidError("texts and parameters belong to a new version, and a new version needs a message")
        if "what" not in version.commitments:
            raise InvalidError("the record does not say what changed", hint="A version commits to a message.")
        return version
    parents = version.parents
    if not parents and branch is not None and not submission.is_root:
        head = branch_tip(tx, branch) or registered(tx, model, branch.head)
        parents = (Parent(ParentKind.CONTINUES, head.digest),)
    texts = dict(submission.message.detached())
    for name, text in submission.detached.items():
        if name not in DETACHED or name in {"what", "why"}:
            raise InvalidError(f"{name[:80]!r} is not a text that stands beside the message")
        clean = clean_line(text, name) if name in _LINES else clean_text(text, name, limit=MAX_DETACHED)
        if clean:
            texts[name] = clean
    commitments = {name: commit_text(tx, text) for name, text in texts.items()}
    parameters = version.parameters
    if submission.parameters:
        data = encode_parameters(submission.parameters)
        parameters = Digest.of(data)
        tx.records.put(parameters, data)
    return replace(version, parents=parents, time=tx.now, parameters=parameters, commitments=commitments)


def _check_references(tx: RegistryTransaction, caller: Caller, namespace: str, version: Version) -> None:
    if any(parent.kind is ParentKind.BUILD_OF for parent in version.parents):
        raise UnsupportedError("this release does not register builds", hint="Register it as a version of its own.")
    stored_for = tx.artifacts.manifests.of(version.manifest)
    if namespace not in stored_for and not any(can_read(tx, caller, other) for other in stored_for):
        raise NotFoundError(f"there is no manifest {version.manifest}", hint="Upload the files first.")
    for parent in version.parents:
        if isinstance(parent.origin, Digest) and not any(
            can_read(tx, caller, model.namespace) for model in tx.registry.versions.holders(parent.origin)
        ):
            raise NotFoundError(f"there is no version {parent.origin}, which is given as a parent")


def _parameters(tx: RegistryTransaction, version: Version) -> dict[str, Parameter]:
    if version.parameters is None:
        return {}
    data, place = tx.records.read(version.parameters), f"record {version.parameters}"
    if data is None or Digest.of(data) != version.parameters:
        raise CorruptError("the parameters of a version are missing or do not match their digest", place=place)
    return decode_parameters(data, place=place)


def _texts(tx: RegistryTransaction, version: Version) -> dict[str, str | None]:
    found = {name: tx.texts.read(commitment) for name, commitment in version.commitments.items()}
    return {name: None if text is None else text[1] for name, text in found.items()}


def _taints(tx: RegistryTransaction, caller: Caller, version: Registration) -> tuple[Registration, ...]:
    """Return withdrawn ancestors among the nearest thousand, as the models have them that the caller may read."""
    ancestors = [Digest(node) for node in islice(walk(tx, version.digest, "parents"), _ANCESTORS) if node[:3] == "sha"]
    withdrawn = tx.registry.taints.withdrawn(ancestors)
    found = (each for digest in ancestors if digest in withdrawn for each in _readable(tx, caller, digest))
    return tuple(each for each in found if each.withdrawn is not None)


def _readable(tx: RegistryTransaction, caller: Caller, digest: Digest) -> tuple[Registration, ...]:
    found: list[Registration] = []
    for holder in tx.registry.versions.holders(digest):
        if can_read(tx, caller, holder.namespace):
            found += tx.registry.versions.between(holder, digest, digest, 1)
    return tuple(found)
