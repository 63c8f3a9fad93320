"""Versions, their numbers, and which of them descend from a withdrawn one, on a database."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, insert, select, union_all, update

from stemma.backends.database.dialect import Connection, Statement, insert_or_ignore, member_of
from stemma.backends.database.registry.models import digest, raw
from stemma.backends.database.registry.tables import aliases, models, namespaces, numbers, of_model, taints, versions
from stemma.errors import AlreadyExistsError, ConflictError
from stemma.names import ModelName
from stemma.records import Digest
from stemma.registry import Registration
from stemma.registry.numbering import order_key
from stemma.semver import SemanticVersion

_HOLDERS = 100
_COLUMNS = (
    versions.c.namespace,
    versions.c.model,
    versions.c.sequence,
    versions.c.digest,
    versions.c.manifest,
    versions.c.branch,
    versions.c.time,
    versions.c.actor,
    versions.c.position,
    versions.c.release,
    versions.c.prerelease,
    versions.c.withdrawn,
    versions.c.reason,
    taints.c.digest,
)
VERSION = select(*_COLUMNS).select_from(versions.outerjoin(taints, taints.c.digest == versions.c.digest))
"""Everything of a version, for `registration` to read."""
_HERE = of_model(versions)
_THIS = (*_HERE, versions.c.sequence == bindparam("number"))
_NEWEST_FIRST = versions.c.sequence.desc()
_BEFORE = VERSION.where(*_HERE, versions.c.sequence < bindparam("before")).order_by(_NEWEST_FIRST)

_ADD = Statement(insert(versions))
_RAISE = Statement(
    update(models).where(*of_model(models), models.c.last == bindparam("previous")).values(last=models.c.last + 1)
)
_FIND = Statement(VERSION.where(*_THIS))
_BETWEEN = Statement(
    VERSION.where(*_HERE, versions.c.digest >= bindparam("low"), versions.c.digest <= bindparam("high"))
    .order_by(versions.c.digest)
    .limit(bindparam("size"))
)
_PAGE = Statement(_BEFORE.limit(bindparam("size")))
_PAGE_OF_BRANCH = Statement(_BEFORE.where(versions.c.branch == bindparam("line")).limit(bindparam("size")))
_NEWEST = Statement(
    VERSION.where(*_HERE, versions.c.branch == bindparam("line"), versions.c.withdrawn.is_(None))
    .order_by(_NEWEST_FIRST)
    .limit(1)
)
_WITHDRAW = Statement(update(versions).where(*_THIS).values(withdrawn=bindparam("at"), reason=bindparam("why")))
_HOLDING = Statement(
    select(versions.c.namespace, versions.c.model)
    .where(versions.c.digest == bindparam("of"))
    .order_by(versions.c.namespace, versions.c.model)
    .limit(_HOLDERS)
)

_MARK = Statement(insert_or_ignore(taints))
_REGISTERED = Statement(select(versions.c.digest).where(member_of(versions.c.digest, "of")).distinct())
# Neither EXISTS, nor a list, nor a join: a planner would read a whole table in the hope to find one soon.
_REACHED = Statement(
    union_all(
        select(taints.c.digest).where(taints.c.digest == bindparam("of")),
        select(versions.c.digest).where(versions.c.digest == bindparam("of"), versions.c.withdrawn.is_not(None)),
    )
)
_WITHDRAWN = Statement(
    select(versions.c.digest).where(member_of(versions.c.digest, "of"), versions.c.withdrawn.is_not(None)).distinct()
)

_BIND = Statement(insert(numbers))
_NAME_RELEASE = Statement(
    update(versions)
    .where(*_THIS, versions.c.release.is_(None))
    .values(release=bindparam("to"))
    .returning(versions.c.branch)
)
_NAME_PRERELEASE = Statement(
    update(versions)
    .where(*_THIS, versions.c.prerelease.is_(None))
    .values(prerelease=bindparam("to"))
    .returning(versions.c.branch)
)
# Subqueries and no joins: the name is to be looked up first, whatever a planner without statistics believes.
_BOUND = select(numbers.c.sequence).where(*of_model(numbers), numbers.c.order_key == bindparam("key"))
_NUMBERED = Statement(VERSION.where(*_HERE, versions.c.sequence == _BOUND.scalar_subquery()))
_HELD = select(aliases.c.sequence).where(*of_model(aliases), aliases.c.name == bindparam("called"))
_POINTED = Statement(
    VERSION.where(
        *_HERE,
        versions.c.sequence == _HELD.scalar_subquery(),
        select(namespaces.c.name).where(namespaces.c.name == bindparam("space")).exists(),
    )
)
_RANGE = (
    select(numbers.c.number, numbers.c.sequence)
    .where(*of_model(numbers), numbers.c.order_key >= bindparam("low"), numbers.c.order_key < bindparam("high"))
    .order_by(numbers.c.order_key.desc())
    .limit(bindparam("size"))
)
_NUMBERS = Statement(_RANGE)
_USABLE_NUMBERS = Statement(
    _RANGE.join(
        versions,
        (numbers.c.namespace == versions.c.namespace)
        & (numbers.c.model == versions.c.model)
        & (numbers.c.sequence == versions.c.sequence),
    ).where(versions.c.withdrawn.is_(None))
)
_HIGHEST = Statement(
    select(numbers.c.number)
    .where(*of_model(numbers), numbers.c.branch == bindparam("line"), numbers.c.is_release == 1)
    .order_by(numbers.c.order_key.desc())
    .limit(1)
)


class DatabaseVersions:
    """`VersionStore` on a database."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, version: Registration) -> None:
        """Add a version and make it the model's last."""
        space, of = version.model.namespace, version.model.name
        self._connection.send(
            _ADD,
            namespace=space,
            model=of,
            sequence=version.sequence,
            digest=version.digest.raw,
            manifest=version.manifest.raw,
            branch=version.branch,
            time=version.time,
            actor=version.actor,
            position=version.position,
            release=None,
            prerelease=None,
            withdrawn=None,
            reason=None,
        )
        self._connection.demand(
            _RAISE, lambda: _does_not_follow(version), space=space, of=of, previous=version.sequence - 1
        )

    def find(self, model: ModelName, sequence: int) -> Registration | None:
        """Return the version with this sequence number."""
        row = self._connection.one(_FIND, space=model.namespace, of=model.name, number=sequence)
        return None if row is None else registration(row)

    def between(self, model: ModelName, low: Digest, high: Digest, limit: int) -> Sequence[Registration]:
        """Return versions whose digests lie from `low` to `high`."""
        rows = self._connection.all(
            _BETWEEN, space=model.namespace, of=model.name, low=low.raw, high=high.raw, size=limit
        )
        return [registration(row) for row in rows]

    def page(self, model: ModelName, before: int, limit: int, branch: str | None = None) -> Sequence[Registration]:
        """Return versions under `before`, newest first."""
        here = {"space": model.namespace, "of": model.name, "before": before, "size": limit}
        if branch is None:
            rows = self._connection.all(_PAGE, **here)
        else:
            rows = self._connection.all(_PAGE_OF_BRANCH, **here, line=branch)
        return [registration(row) for row in rows]

    def pointed(self, model: ModelName, alias: str) -> Registration | None:
        """Return the version that an alias holds."""
        row = self._connection.one(_POINTED, space=model.namespace, of=model.name, called=alias)
        return None if row is None else registration(row)

    def newest(self, model: ModelName, branch: str) -> Registration | None:
        """Return the newest version of a branch that is not withdrawn."""
        row = self._connection.one(_NEWEST, space=model.namespace, of=model.name, line=branch)
        return None if row is None else registration(row)

    def withdraw(self, model: ModelName, sequence: int, time: int, reason: Digest | None) -> None:
        """Mark a version as withdrawn."""
        here = {"space": model.namespace, "of": model.name, "number": sequence}
        self._connection.send(_WITHDRAW, **here, at=time, why=raw(reason))

    def holders(self, digest: Digest) -> Sequence[ModelName]:
        """Return the models under which a version is registered."""
        return [ModelName(*row) for row in self._connection.all(_HOLDING, of=digest.raw)]


class DatabaseTaints:
    """`TaintStore` on a database."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def mark(self, digests: Sequence[Digest]) -> None:
        """Mark those that are registered."""
        self._connection.run_many(_MARK, [{"digest": each.raw} for each in self._among(_REGISTERED, digests)])

    def reach(self, digests: Sequence[Digest]) -> bool:
        """Return whether any of these is marked or withdrawn."""
        return any(self._connection.all(_REACHED, of=each.raw) for each in digests)

    def withdrawn(self, digests: Sequence[Digest]) -> frozenset[Digest]:
        """Return which of these are withdrawn under any model."""
        return self._among(_WITHDRAWN, digests)

    def _among(self, statement: Statement, digests: Sequence[Digest]) -> frozenset[Digest]:
        if not digests:
            return frozenset()
        rows = self._connection.all(statement, of=[each.raw for each in digests])
        return frozenset(Digest.from_raw(row[0]) for row in rows)


class DatabaseNumbers:
    """`NumberStore` on a database."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def bind(self, model: ModelName, number: SemanticVersion, sequence: int) -> None:
        """Bind a number."""
        space, of = model.namespace, model.name
        name = _NAME_PRERELEASE if number.prerelease else _NAME_RELEASE
        branch = self._connection.one(name, space=space, of=of, number=sequence, to=str(number))
        if branch is None and self._connection.one(_FIND, space=space, of=of, number=sequence) is None:
            raise ConflictError(f"{model} has no version v{sequence} to bind {number} to")
        if branch is None:
            raise AlreadyExistsError(f"v{sequence} of {model} has a number of this kind already")
        self._connection.send(
            _BIND,
            namespace=space,
            model=of,
            order_key=order_key(number),
            number=str(number),
            sequence=sequence,
            branch=branch[0],
            is_release=int(not number.prerelease),
        )

    def find(self, model: ModelName, number: SemanticVersion) -> Registration | None:
        """Return the version that has this number."""
        row = self._connection.one(_NUMBERED, space=model.namespace, of=model.name, key=order_key(number))
        return None if row is None else registration(row)

    def between(
        self, model: ModelName, low: bytes, high: bytes, limit: int, *, withdrawn: bool
    ) -> Sequence[tuple[SemanticVersion, int]]:
        """Return numbers and sequences by order key, greatest first."""
        statement = _NUMBERS if withdrawn else _USABLE_NUMBERS
        rows = self._connection.all(statement, space=model.namespace, of=model.name, low=low, high=high, size=limit)
        return [(SemanticVersion.parse(number), sequence) for number, sequence in rows]

    def highest(self, model: ModelName, branch: str) -> SemanticVersion | None:
        """Return the highest release number on a branch."""
        row = self._connection.one(_HIGHEST, space=model.namespace, of=model.name, line=branch)
        return None if row is None else SemanticVersion.parse(row[0])


def registration(row: tuple[Any, ...]) -> Registration:
    """Return the version that a row of `VERSION` says."""
    (space, of, sequence, identity, manifest, branch, time, actor, position, *rest) = row
    release, prerelease, withdrawn, reason, taint = rest
    return Registration(
        model=ModelName(space, of),
        sequence=sequence,
        digest=Digest.from_raw(identity),
        manifest=Digest.from_raw(manifest),
        branch=branch,
        time=time,
        actor=actor,
        position=position,
        release=None if release is None else SemanticVersion.parse(release),
        prerelease=None if prerelease is None else SemanticVersion.parse(prerelease),
        withdrawn=withdrawn,
        reason=digest(reason),
        tainted=taint is not None,
    )


def _does_not_follow(version: Registration) -> ConflictError:
    return ConflictError(f"v{version.sequence} does not follow the last version of {version.model}")
