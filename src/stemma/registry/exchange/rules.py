"""What each arriving entry must say to follow from those before it: the rules that its author's repository had to keep.

A log proves who signed it, not that they kept to the rules. Without these checks an entry could name a version that is
not there, skip numbers, or speak of another namespace. Gates and permissions are not asked again: they were there.
"""

from collections.abc import Callable, Mapping

from stemma.errors import ConflictError, CorruptError, StemmaError, UnsupportedError
from stemma.ledger import Entry
from stemma.names import ModelName, check_name, check_pointer
from stemma.records import Digest
from stemma.registry.annotations import MAX_LABELS, MAX_VALUE, check_key
from stemma.registry.exchange.brought import IMPORTS
from stemma.registry.numbering import MAIN
from stemma.registry.projection import project
from stemma.registry.records.evidence import Evidence
from stemma.registry.records.message import MAX_TEXT, clean_line, clean_text, title_key
from stemma.registry.records.version import ParentKind
from stemma.registry.store import Registration, RegistryTransaction
from stemma.registry.versions import read_version
from stemma.semver import SemanticVersion


def enter(tx: RegistryTransaction, entry: Entry) -> None:
    """Check one arrived entry whose records and texts are here, and project it; else a CorruptError says where.

    UnsupportedError for an action that this release does not know: what it means could not be checked.
    """
    place = f"entry {entry.sequence} of {entry.namespace} ({entry.action})"
    if entry.outcome != "done":
        return
    rule = _RULES.get(entry.action)
    if rule is None:
        hint = "Upgrade stemma here, then synchronise again."
        raise UnsupportedError(f"this release does not know {entry.action!r}", place=place, hint=hint)
    try:
        rule(tx, entry)
        project(tx, entry)
    except UnsupportedError:
        raise
    except (StemmaError, KeyError, ValueError, TypeError) as error:
        raise CorruptError(f"it does not follow from the entries before: {error}", place=place) from error


def _model_create(tx: RegistryTransaction, entry: Entry) -> None:
    name = _model(entry)
    _expect(tx.registry.models.find(name) is None, f"there is a model {name} already")


def _model_entitle(tx: RegistryTransaction, entry: Entry) -> None:
    name = _existing(tx, entry)
    title = _text(tx, entry, "title")
    if title is not None:
        _expect(clean_line(title, "title") == title, "the title is not one clean line")
        holder = tx.registry.models.titled(entry.namespace, title_key(title))
        _expect(holder in (None, name), f"its title is that of {holder}")


def _model_describe(tx: RegistryTransaction, entry: Entry) -> None:
    _existing(tx, entry)
    text = _text(tx, entry, "description")
    _expect(text is None or clean_text(text, "description", limit=MAX_TEXT) == text, "the description is not clean")


def _version_register(tx: RegistryTransaction, entry: Entry) -> None:
    name = _existing(tx, entry)
    model = tx.registry.models.find(name)
    last = 0 if model is None else model.last
    _expect(entry.facts["sequence"] == last + 1, f"v{last + 1} follows")
    branch = check_pointer(str(entry.facts["branch"]), "branch")
    known = tx.registry.branches.find(name, branch)
    if known is None:
        is_free = last == 0 or branch == MAIN or entry.action == IMPORTS
        _expect(is_free, f"there is no branch {branch!r}")
        _expect(tx.registry.aliases.find(name, branch) is None, f"{branch!r} is an alias")
    head = None if known is None else tx.registry.versions.find(name, known.head)
    _expect(entry.before == (None if head is None else head.digest), "it does not continue its branch")
    digest = _after(entry)
    _expect(entry.thing.digest == digest, "it is about another version than it registers")
    version = read_version(tx, digest)
    _expect("what" in version.commitments, "the record does not say what changed")
    if any(parent.kind is ParentKind.BUILD_OF for parent in version.parents):
        raise UnsupportedError("this release does not register builds", hint="Upgrade stemma.")


def _version_number(tx: RegistryTransaction, entry: Entry) -> None:
    version = _version(tx, entry)
    text = str(entry.facts["number"])
    number = SemanticVersion.parse(text)
    _expect(str(number) == text, f"{text!r} is not the way to write it")
    holder = tx.registry.numbers.find(version.model, number)
    _expect(holder is None, f"{number} is taken")
    bound = version.prerelease if number.prerelease else version.release
    _expect(bound is None, f"{version} has a number of this kind")


def _version_withdraw(tx: RegistryTransaction, entry: Entry) -> None:
    version = _version(tx, entry)
    _expect(version.withdrawn is None, f"{version} is withdrawn already")
    _expect(entry.reason is not None, "it gives no reason")
    _expect(not tx.registry.aliases.holding(version.model, version.sequence), f"an alias points at {version}")


def _branch_create(tx: RegistryTransaction, entry: Entry) -> None:
    version = _version(tx, entry)
    name = check_pointer(str(entry.facts["branch"]), "branch")
    _expect(name != MAIN and tx.registry.branches.find(version.model, name) is None, f"there is a branch {name!r}")
    _expect(tx.registry.aliases.find(version.model, name) is None, f"{name!r} is an alias")
    _expect(version.withdrawn is None, f"{version} is withdrawn")


def _alias_set(tx: RegistryTransaction, entry: Entry) -> None:
    version = _version(tx, entry)
    name = check_pointer(str(entry.facts["alias"]), "alias")
    _expect(name != MAIN and tx.registry.branches.find(version.model, name) is None, f"{name!r} is a branch")
    _expect(version.withdrawn is None, f"{version} is withdrawn")
    _check_before(tx, version.model, name, entry)


def _alias_back(tx: RegistryTransaction, entry: Entry) -> None:
    version = _version(tx, entry)
    name = str(entry.facts["alias"])
    _expect(tx.registry.aliases.find(version.model, name) is not None, f"there is no alias {name!r}")
    position = entry.facts["position"]
    origin = tx.registry.moves.find(version.model, name, position) if isinstance(position, int) else None
    _expect(origin is not None and origin.after == version.sequence, "it goes back to a move that is not there")
    _check_before(tx, version.model, name, entry)


def _alias_delete(tx: RegistryTransaction, entry: Entry) -> None:
    name = _existing(tx, entry)
    alias = str(entry.facts["alias"])
    _expect(tx.registry.aliases.find(name, alias) is not None, f"there is no alias {alias!r}")
    _check_before(tx, name, alias, entry)


def _name_change(tx: RegistryTransaction, entry: Entry) -> None:
    model = _existing(tx, entry)
    name = check_pointer(str(entry.facts["name"]), "alias")
    _expect(name != MAIN and tx.registry.branches.find(model, name) is None, f"{name!r} is a branch")


def _label_set(tx: RegistryTransaction, entry: Entry) -> None:
    model, sequence = _labelled(tx, entry)
    key = check_key(str(entry.facts["key"]))
    value = _text(tx, entry, "value")
    _expect(value is None or clean_text(value, "value", limit=MAX_VALUE) == value, "the value is not clean")
    held = {label.key for label in tx.registry.labels.of(model, sequence)}
    _expect(key in held or len(held) < MAX_LABELS, f"there are {MAX_LABELS} labels already")


def _label_delete(tx: RegistryTransaction, entry: Entry) -> None:
    model, sequence = _labelled(tx, entry)
    held = {label.key for label in tx.registry.labels.of(model, sequence)}
    _expect(entry.facts["key"] in held, "there is no such label")


def _evidence_add(tx: RegistryTransaction, entry: Entry) -> None:
    digest = _after(entry)
    sequence = entry.facts["sequence"]
    model = _existing(tx, entry)
    version = tx.registry.versions.find(model, sequence) if isinstance(sequence, int) else None
    data = tx.records.read(digest)
    if version is None or data is None:
        raise ConflictError("there is no such version, or no record")
    evidence = Evidence.decode(data, place=f"record {digest}")
    _expect(evidence.version == version.digest == entry.thing.digest, "the evidence is about another version")
    _expect(evidence.kind == entry.facts["kind"], "the evidence is of another kind")
    _expect(not tx.registry.evidence.has(model, version.sequence, digest), "the version has this very evidence")


_RULES: Mapping[str, Callable[[RegistryTransaction, Entry], None]] = {
    "model.create": _model_create,
    "model.entitle": _model_entitle,
    "model.describe": _model_describe,
    "version.register": _version_register,
    "version.import": _version_register,
    "version.number": _version_number,
    "version.withdraw": _version_withdraw,
    "branch.create": _branch_create,
    "alias.set": _alias_set,
    "alias.back": _alias_back,
    "alias.delete": _alias_delete,
    "name.protect": _name_change,
    "name.unprotect": _name_change,
    "label.set": _label_set,
    "label.delete": _label_delete,
    "evidence.add": _evidence_add,
}


def _expect(holds: bool, message: str) -> None:  # noqa: FBT001  # reads as a condition
    if not holds:
        raise ConflictError(message)


def _model(entry: Entry) -> ModelName:
    return ModelName(entry.namespace, check_name(str(entry.facts["model"]), "model"))


def _existing(tx: RegistryTransaction, entry: Entry) -> ModelName:
    name = _model(entry)
    _expect(tx.registry.models.find(name) is not None, f"there is no model {name}")
    return name


def _version(tx: RegistryTransaction, entry: Entry) -> Registration:
    """Return the version that an entry names by model, sequence number and digest."""
    model = _existing(tx, entry)
    sequence = entry.facts["sequence"]
    version = tx.registry.versions.find(model, sequence) if type(sequence) is int else None
    if version is None or version.digest != _after(entry):
        raise ConflictError(f"{model} has no version v{sequence} with this digest")
    return version


def _labelled(tx: RegistryTransaction, entry: Entry) -> tuple[ModelName, int]:
    model = _existing(tx, entry)
    sequence = entry.facts["sequence"]
    if type(sequence) is not int:
        raise ConflictError("the sequence is not a number")
    if sequence:
        version = tx.registry.versions.find(model, sequence)
        _expect(version is not None and version.digest == entry.thing.digest, f"there is no version v{sequence}")
    return model, sequence


def _check_before(tx: RegistryTransaction, model: ModelName, alias: str, entry: Entry) -> None:
    current = tx.registry.aliases.find(model, alias)
    held = None if current is None else current.digest
    _expect(entry.before == held, f"the alias {alias!r} did not hold what it says")


def _after(entry: Entry) -> Digest:
    if entry.after is None:
        raise ConflictError("it names no digest after it")
    return entry.after


def _text(tx: RegistryTransaction, entry: Entry, fact: str) -> str | None:
    """Return the text to which a fact commits, None where there is none or it was redacted."""
    commitment = entry.facts.get(fact)
    found = None if commitment is None else tx.texts.read(Digest.parse(str(commitment)))
    return None if found is None else found[1]
