"""Operations on aliases and branches."""

from stemma.access import Caller, Permission
from stemma.errors import NotFoundError
from stemma.ledger import format_time
from stemma.names import ModelName, parse_selector
from stemma.operations.operation import Operation, Subjects, Transaction, of_model
from stemma.operations.reading import author_of, read_moment, reference_of
from stemma.operations.requests import AliasBack, AliasLog, CreateBranch, DeleteAlias, OfModel, Protect, SetAlias
from stemma.operations.views import Done, MovePage, MoveView, Pointers, PointerView
from stemma.records import Digest
from stemma.registry import ANYTHING, Expected, Line, Move, Moved, Pointed


def _set(subjects: Subjects, tx: Transaction, caller: Caller, asked: SetAlias) -> MoveView:
    """Point an alias at a version, perhaps only where it holds what is expected."""
    model = ModelName.parse(asked.model)
    moved = subjects.registry.aliases.set(
        tx,
        caller,
        model,
        asked.alias,
        parse_selector(asked.selector),
        expected=_expected(asked.expected),
        reason=asked.reason or "",
        override=asked.override,
    )
    return _view_moved(subjects, tx, caller, moved)


def _expected(text: str | None) -> Expected:
    if text is None:
        return ANYTHING
    return None if text == "none" else Digest.parse(text)


def _back(subjects: Subjects, tx: Transaction, caller: Caller, asked: AliasBack) -> MoveView:
    """Return an alias to the version that it held before."""
    model = ModelName.parse(asked.model)
    moved = subjects.registry.aliases.back(tx, caller, model, asked.alias, reason=asked.reason)
    return _view_moved(subjects, tx, caller, moved)


def _delete(subjects: Subjects, tx: Transaction, caller: Caller, asked: DeleteAlias) -> MoveView:
    """Remove an alias; its history stays."""
    model = ModelName.parse(asked.model)
    moved = subjects.registry.aliases.delete(
        tx, caller, model, asked.alias, reason=asked.reason or "", override=asked.override
    )
    return _view_moved(subjects, tx, caller, moved)


def _view_moved(subjects: Subjects, tx: Transaction, caller: Caller, moved: Moved) -> MoveView:
    """Return the move that was just made, or for one that changed nothing the last that was."""
    moves, _ = subjects.registry.aliases.moves(tx, caller, moved.model, moved.alias, limit=1)
    return _view_move(subjects, tx, moves[0], changed=moved.changed)


def _view_move(subjects: Subjects, tx: Transaction, move: Move, *, changed: bool = True) -> MoveView:
    reason = None if move.reason is None else tx.texts.read(move.reason)
    return MoveView(
        alias=move.alias,
        action=move.kind,
        before=reference_of(tx, move.model, move.before),
        after=reference_of(tx, move.model, move.after),
        time=format_time(move.time),
        actor=author_of(subjects, tx, move.actor) or move.actor,
        reason=None if reason is None else reason[1],
        override=move.override,
        changed=changed,
    )


def _moves(subjects: Subjects, tx: Transaction, caller: Caller, asked: AliasLog) -> MovePage:
    """List the moves of an alias, newest first."""
    model, at = ModelName.parse(asked.model), read_moment(asked.at)
    aliases = subjects.registry.aliases
    if at is not None:
        move = aliases.at(tx, caller, model, asked.alias, at)
        if move is None:
            aliases.moves(tx, caller, model, asked.alias, limit=1)
            raise NotFoundError(f"the alias {asked.alias!r} of {model} did not exist at {format_time(at)}")
        return MovePage(moves=(_view_move(subjects, tx, move),))
    query = f"moves {model} {asked.alias}"
    before = subjects.position(asked.token, query, caller)
    found, more = aliases.moves(tx, caller, model, asked.alias, before=before, limit=asked.limit)
    token = subjects.token(found[-1].position, query, caller) if more else None
    return MovePage(moves=tuple(_view_move(subjects, tx, move) for move in found), next_token=token)


def _aliases(subjects: Subjects, tx: Transaction, caller: Caller, asked: OfModel) -> Pointers:
    """List a model's aliases."""
    model = ModelName.parse(asked.model)
    aliases = subjects.registry.aliases
    found = aliases.every(tx, caller, model)
    taken = {each.alias.name for each in found}
    views = [_view_pointed(tx, each) for each in found]
    views += [
        PointerView(model=str(model), name=name, kind="alias", reference=None, digest=None, protected=True)
        for name in aliases.protected(tx, caller, model)
        if name not in taken
    ]
    return Pointers(pointers=tuple(sorted(views, key=lambda view: view.name)))


def _view_pointed(tx: Transaction, pointed: Pointed) -> PointerView:
    alias = pointed.alias
    moves = tx.registry.moves.page(alias.model, alias.name, 2**53, 1)
    return PointerView(
        model=str(alias.model),
        name=alias.name,
        kind="alias",
        reference=pointed.version.reference,
        digest=alias.digest,
        protected=pointed.is_protected,
        moved=format_time(moves[0].time) if moves else None,
    )


def _protect(subjects: Subjects, tx: Transaction, caller: Caller, asked: Protect) -> Done:
    """Put a name under the gate, or take it out."""
    model, aliases = ModelName.parse(asked.model), subjects.registry.aliases
    if asked.protected:
        return Done(changed=aliases.protect(tx, caller, model, asked.alias, reason=asked.reason or ""))
    return Done(changed=aliases.unprotect(tx, caller, model, asked.alias, reason=asked.reason or ""))


def _create_branch(subjects: Subjects, tx: Transaction, caller: Caller, asked: CreateBranch) -> PointerView:
    """Begin a branch at a version."""
    model = ModelName.parse(asked.model)
    line = subjects.registry.branches.create(tx, caller, model, asked.branch, parse_selector(asked.start))
    return _view_line(line)


def _branches(subjects: Subjects, tx: Transaction, caller: Caller, asked: OfModel) -> Pointers:
    """List a model's branches."""
    lines = subjects.registry.branches.every(tx, caller, ModelName.parse(asked.model))
    return Pointers(pointers=tuple(_view_line(line) for line in lines))


def _view_line(line: Line) -> PointerView:
    tip = line.tip
    return PointerView(
        model=str(line.branch.model),
        name=line.branch.name,
        kind="branch",
        reference=None if tip is None else tip.reference,
        digest=None if tip is None else tip.digest,
        moved=None if tip is None else format_time(tip.time),
    )


SET_ALIAS = Operation("alias.set", SetAlias, MoveView, Permission.POINT, "PUT", "/alias", _set, of_model)
BACK = Operation("alias.back", AliasBack, MoveView, Permission.POINT, "POST", "/alias/back", _back, of_model)
DELETE_ALIAS = Operation("alias.delete", DeleteAlias, MoveView, Permission.POINT, "DELETE", "/alias", _delete, of_model)
MOVES = Operation("alias.log", AliasLog, MovePage, Permission.READ, "GET", "/alias/log", _moves)
ALIASES = Operation("alias.list", OfModel, Pointers, Permission.READ, "GET", "/aliases", _aliases)
PROTECT = Operation("alias.protect", Protect, Done, Permission.PROTECT, "PUT", "/alias/protection", _protect, of_model)
CREATE_BRANCH = Operation(
    "branch.create", CreateBranch, PointerView, Permission.REGISTER, "POST", "/branches", _create_branch, of_model
)
BRANCHES = Operation("branch.list", OfModel, Pointers, Permission.READ, "GET", "/branches", _branches)
