"""Branches, aliases, protected names and every move of every alias, on a database."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from stemma.backends.database.dialect import Connection, Statement, insert_or_ignore
from stemma.backends.database.registry.models import digest, raw
from stemma.backends.database.registry.tables import aliases, branches, moves, of_model, protections
from stemma.errors import ConflictError
from stemma.names import ModelName
from stemma.records import Digest
from stemma.registry import Alias, Branch, Move

_BRANCH = select(branches.c.namespace, branches.c.model, branches.c.name, branches.c.head, branches.c.start)
_ADD_BRANCH = Statement(insert(branches))
_FIND_BRANCH = Statement(_BRANCH.where(*of_model(branches), branches.c.name == bindparam("called")))
_BRANCHES = Statement(_BRANCH.where(*of_model(branches)).order_by(branches.c.name))
_ADVANCE = Statement(
    update(branches).where(*of_model(branches), branches.c.name == bindparam("called")).values(head=bindparam("to"))
)

_ALIAS = select(
    aliases.c.namespace, aliases.c.model, aliases.c.name, aliases.c.sequence, aliases.c.digest, aliases.c.top
)
_CALLED = (*of_model(aliases), aliases.c.name == bindparam("called"))
_HOLDS = (*_CALLED, aliases.c.digest == bindparam("before"))
_ADD_ALIAS = Statement(insert_or_ignore(aliases))
_FIND_ALIAS = Statement(_ALIAS.where(*_CALLED))
_ALIASES = Statement(_ALIAS.where(*of_model(aliases)).order_by(aliases.c.name))
_HOLDING = Statement(
    select(aliases.c.name).where(*of_model(aliases), aliases.c.sequence == bindparam("number")).order_by(aliases.c.name)
)
_PUT_ALIAS = Statement(
    update(aliases)
    .where(*_HOLDS)
    .values(sequence=bindparam("number"), digest=bindparam("to"), top=bindparam("position"))
)
_REMOVE_ALIAS = Statement(delete(aliases).where(*_HOLDS))
_PROTECT = Statement(insert_or_ignore(protections))
_UNPROTECT = Statement(delete(protections).where(*of_model(protections), protections.c.name == bindparam("called")))
_PROTECTED = Statement(select(protections.c.name).where(*of_model(protections)).order_by(protections.c.name))

_MOVE = select(
    moves.c.namespace,
    moves.c.model,
    moves.c.alias,
    moves.c.position,
    moves.c.time,
    moves.c.actor,
    moves.c.kind,
    moves.c.before,
    moves.c.after,
    moves.c.below,
    moves.c.reason,
    moves.c.is_override,
)
_OF_ALIAS = (*of_model(moves), moves.c.alias == bindparam("called"))
_ADD_MOVE = Statement(insert(moves))
_FIND_MOVE = Statement(_MOVE.where(*_OF_ALIAS, moves.c.position == bindparam("at")))
_MOVE_AT = Statement(
    _MOVE.where(*_OF_ALIAS, moves.c.time <= bindparam("at"))
    .order_by(moves.c.time.desc(), moves.c.position.desc())
    .limit(1)
)
_MOVES = Statement(
    _MOVE.where(*_OF_ALIAS, moves.c.position < bindparam("before"))
    .order_by(moves.c.position.desc())
    .limit(bindparam("size"))
)


class DatabaseBranches:
    """`BranchStore` on a database."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, branch: Branch) -> None:
        """Add a branch."""
        space, of = branch.model.namespace, branch.model.name
        self._connection.send(
            _ADD_BRANCH, namespace=space, model=of, name=branch.name, head=branch.head, start=branch.start
        )

    def find(self, model: ModelName, name: str) -> Branch | None:
        """Return a branch."""
        row = self._connection.one(_FIND_BRANCH, space=model.namespace, of=model.name, called=name)
        return None if row is None else _branch(row)

    def every(self, model: ModelName) -> Sequence[Branch]:
        """Return all branches of a model."""
        return [_branch(row) for row in self._connection.all(_BRANCHES, space=model.namespace, of=model.name)]

    def advance(self, model: ModelName, name: str, head: int) -> bool:
        """Move the head."""
        return self._connection.run(_ADVANCE, space=model.namespace, of=model.name, called=name, to=head) > 0


class DatabaseAliases:
    """`AliasStore` on a database."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, model: ModelName, name: str) -> Alias | None:
        """Return an alias."""
        row = self._connection.one(_FIND_ALIAS, space=model.namespace, of=model.name, called=name)
        return None if row is None else _alias(row)

    def every(self, model: ModelName) -> Sequence[Alias]:
        """Return all aliases of a model."""
        return [_alias(row) for row in self._connection.all(_ALIASES, space=model.namespace, of=model.name)]

    def holding(self, model: ModelName, sequence: int) -> Sequence[str]:
        """Return the aliases that point at a version."""
        rows = self._connection.all(_HOLDING, space=model.namespace, of=model.name, number=sequence)
        return [name for (name,) in rows]

    def put(self, alias: Alias, before: Digest | None) -> None:
        """Move or create an alias."""
        space, of, name = alias.model.namespace, alias.model.name, alias.name

        def moved() -> ConflictError:
            return _moved(alias.model, name)

        if before is None:
            row = {"name": name, "sequence": alias.sequence, "digest": alias.digest.raw, "top": alias.top}
            self._connection.demand(_ADD_ALIAS, moved, namespace=space, model=of, **row)
        else:
            held = {"space": space, "of": of, "called": name, "before": before.raw}
            self._connection.demand(
                _PUT_ALIAS, moved, **held, number=alias.sequence, to=alias.digest.raw, position=alias.top
            )

    def remove(self, model: ModelName, name: str, before: Digest) -> None:
        """Delete an alias."""
        held = {"space": model.namespace, "of": model.name, "called": name, "before": before.raw}
        self._connection.demand(_REMOVE_ALIAS, lambda: _moved(model, name), **held)

    def protect(self, model: ModelName, name: str) -> None:
        """Protect a name."""
        self._connection.send(_PROTECT, namespace=model.namespace, model=model.name, name=name)

    def unprotect(self, model: ModelName, name: str) -> None:
        """Protect a name no longer."""
        self._connection.send(_UNPROTECT, space=model.namespace, of=model.name, called=name)

    def protected(self, model: ModelName) -> Sequence[str]:
        """Return the protected names of a model."""
        rows = self._connection.all(_PROTECTED, space=model.namespace, of=model.name)
        return [name for (name,) in rows]


class DatabaseMoves:
    """`MoveStore` on a database."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, move: Move) -> None:
        """Append a move."""
        self._connection.send(
            _ADD_MOVE,
            namespace=move.model.namespace,
            model=move.model.name,
            alias=move.alias,
            position=move.position,
            time=move.time,
            actor=move.actor,
            kind=move.kind,
            before=move.before,
            after=move.after,
            below=move.below,
            reason=raw(move.reason),
            is_override=int(move.override),
        )

    def find(self, model: ModelName, alias: str, position: int) -> Move | None:
        """Return the move that stands at a position."""
        row = self._connection.one(_FIND_MOVE, space=model.namespace, of=model.name, called=alias, at=position)
        return None if row is None else _move(row)

    def at(self, model: ModelName, alias: str, time: int) -> Move | None:
        """Return the last move at or before `time`."""
        row = self._connection.one(_MOVE_AT, space=model.namespace, of=model.name, called=alias, at=time)
        return None if row is None else _move(row)

    def page(self, model: ModelName, alias: str, before: int, limit: int) -> Sequence[Move]:
        """Return moves before a position, newest first."""
        here = {"space": model.namespace, "of": model.name, "called": alias}
        return [_move(row) for row in self._connection.all(_MOVES, **here, before=before, size=limit)]


def _moved(model: ModelName, name: str) -> ConflictError:
    return ConflictError(f"somebody else moved the alias {name!r} of {model}", hint="Read it, then try again.")


def _branch(row: tuple[Any, ...]) -> Branch:
    namespace, model, name, head, start = row
    return Branch(ModelName(namespace, model), name, head, start)


def _alias(row: tuple[Any, ...]) -> Alias:
    namespace, model, name, sequence, identity, top = row
    return Alias(ModelName(namespace, model), name, sequence, Digest.from_raw(identity), top)


def _move(row: tuple[Any, ...]) -> Move:
    namespace, model, alias, position, time, actor, kind, before, after, below, reason, is_override = row
    return Move(
        ModelName(namespace, model),
        alias,
        position,
        time,
        actor,
        kind,
        before,
        after,
        below,
        digest(reason),
        override=is_override == 1,
    )
