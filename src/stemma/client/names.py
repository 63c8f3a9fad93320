"""Aliases and branches of models, as the SDK offers them."""

from collections.abc import Iterator

from stemma.client.calls import Calls, follow
from stemma.operations import pointers
from stemma.operations.requests import AliasBack, AliasLog, CreateBranch, DeleteAlias, OfModel, Protect, SetAlias
from stemma.operations.views import MoveView, PointerView


class Aliases:
    """Names that people move."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def set(
        self,
        model: str,
        alias: str,
        selector: str,
        *,
        reason: str | None = None,
        expected: str | None = None,
        override: bool = False,
    ) -> MoveView:
        """Point an alias at a version; `expected` is the digest that it must hold now, or `none` for nothing.

        ConflictError where it holds another, RefusedError where the gate says no.
        """
        request = SetAlias(
            model=model, alias=alias, selector=selector, reason=reason, expected=expected, override=override
        )
        return self._calls.run(pointers.SET_ALIAS, request)

    def back(self, model: str, alias: str, *, reason: str) -> MoveView:
        """Return an alias to the version that it held before; needs no approval."""
        return self._calls.run(pointers.BACK, AliasBack(model=model, alias=alias, reason=reason))

    def delete(self, model: str, alias: str, *, reason: str | None = None, override: bool = False) -> MoveView:
        """Remove an alias; its history stays."""
        request = DeleteAlias(model=model, alias=alias, reason=reason, override=override)
        return self._calls.run(pointers.DELETE_ALIAS, request)

    def history(self, model: str, alias: str) -> Iterator[MoveView]:
        """Yield every move of an alias, newest first."""
        for page in follow(
            lambda token: self._calls.run(pointers.MOVES, AliasLog(model=model, alias=alias, token=token))
        ):
            yield from page.moves

    def at(self, model: str, alias: str, time: str) -> MoveView:
        """Return the move that was in force at `time` (RFC 3339): its `after` is what the alias held then."""
        return self._calls.run(pointers.MOVES, AliasLog(model=model, alias=alias, at=time)).moves[0]

    def all(self, model: str) -> list[PointerView]:
        """Return the aliases of a model, and protected names that nothing holds yet."""
        return list(self._calls.run(pointers.ALIASES, OfModel(model=model)).pointers)

    def protect(self, model: str, alias: str, *, protected: bool = True, reason: str | None = None) -> bool:
        """Put a name under the gate, or take it out; return whether that changed anything."""
        request = Protect(model=model, alias=alias, protected=protected, reason=reason)
        return self._calls.run(pointers.PROTECT, request).changed


class Branches:
    """Lines whose heads advance when versions are pushed."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def create(self, model: str, branch: str, start: str) -> PointerView:
        """Begin a branch at a version."""
        return self._calls.run(pointers.CREATE_BRANCH, CreateBranch(model=model, branch=branch, start=start))

    def all(self, model: str) -> list[PointerView]:
        """Return the branches of a model."""
        return list(self._calls.run(pointers.BRANCHES, OfModel(model=model)).pointers)
