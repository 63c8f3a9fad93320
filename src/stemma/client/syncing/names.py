"""The names of a model that the source has set since the logs parted: branches, aliases, labels, titles, withdrawals.

Only how each stands at the end counts. Where the target has none it is set; where it has another, that is a conflict.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from stemma.client.syncing.answers import Conflict
from stemma.client.syncing.meeting import Meeting, newest_on, show
from stemma.errors import NotFoundError
from stemma.ledger import Entry
from stemma.operations import models, pointers, versions
from stemma.operations.requests import (
    AliasLog,
    CreateBranch,
    OfModel,
    Protect,
    SetAlias,
    SetLabels,
    SetTitle,
    Withdraw,
)
from stemma.operations.views import ModelView, PointerView

_Texts = Mapping[str, str | None]


@dataclass(slots=True)
class Names:
    """What is to be set, by what it is called; a value of None stands for nothing, or for a text that was redacted."""

    repository: str
    _branches: dict[tuple[str, str], str] = field(default_factory=dict)
    _aliases: dict[tuple[str, str], str | None] = field(default_factory=dict)
    _protected: dict[tuple[str, str], bool] = field(default_factory=dict)
    _labels: dict[tuple[str, str | None, str], str | None] = field(default_factory=dict)
    _titles: dict[str, str | None] = field(default_factory=dict)
    _withdrawn: dict[tuple[str, str], str | None] = field(default_factory=dict)

    def note(self, model: str, entry: Entry, texts: _Texts) -> None:
        """Take note of an entry; the last one about a name counts."""
        facts = entry.facts
        match entry.action:
            case "branch.create":
                self._branches[model, str(facts["branch"])] = str(entry.after)
            case "alias.set" | "alias.back" | "alias.delete":
                self._aliases[model, str(facts["alias"])] = entry.after
            case "name.protect" | "name.unprotect":
                self._protected[model, str(facts["name"])] = entry.action == "name.protect"
            case "label.set":
                self._labels[model, entry.thing.digest, str(facts["key"])] = texts.get(str(facts["value"]))
            case "label.delete":
                self._labels[model, entry.thing.digest, str(facts["key"])] = None
            case "model.entitle":
                self._titles[model] = texts.get(str(facts["title"]))
            case "version.withdraw":
                self._withdrawn[model, str(entry.after)] = texts.get(str(entry.reason))
            case _:
                return

    def settle(self, meeting: Meeting) -> None:
        """Set what the target lacks, and list what it has differently."""
        for (model, branch), start in self._branches.items():
            self._settle_branch(meeting, model, branch, start)
        for (model, digest), reason in self._withdrawn.items():
            self._settle_withdrawal(meeting, model, digest, reason)
        for model, title in self._titles.items():
            self._settle_title(meeting, model, title)
        for (model, version, key), value in self._labels.items():
            self._settle_label(meeting, model, version, (key, value))
        for (model, alias), held in self._aliases.items():
            self._settle_alias(meeting, model, alias, held)
        for (model, name), is_protected in self._protected.items():
            self._settle_protection(meeting, model, name, is_protected=is_protected)

    def _settle_branch(self, meeting: Meeting, model: str, branch: str, start: str) -> None:
        present = _pointer(meeting, model, branch, kind="branch")
        if present is not None or newest_on(meeting.target, model, branch) is not None:
            return
        request = CreateBranch(model=model, branch=branch, start=start)
        conflict = _conflict("branch", model, branch, source=f"{model}@{start}")
        meeting.attempt(conflict, lambda: meeting.target.run(pointers.CREATE_BRANCH, request))

    def _settle_alias(self, meeting: Meeting, model: str, alias: str, held: str | None) -> None:
        present = _pointer(meeting, model, alias, kind="alias")
        there = None if present is None else present.digest
        if there == held:
            return
        conflict = _conflict(
            "alias",
            model,
            alias,
            source=None if held is None else f"{model}@{held}",
            target=None if present is None else present.reference,
            why="it points elsewhere" if there else "it was deleted here",
        )
        if there is not None or held is None or _was_there(meeting, model, alias):
            meeting.leave(conflict)
            return
        reason = f"as in {self.repository}"
        request = SetAlias(model=model, alias=alias, selector=held, reason=reason, expected="none")
        meeting.attempt(conflict, lambda: meeting.target.run(pointers.SET_ALIAS, request))

    def _settle_protection(self, meeting: Meeting, model: str, name: str, *, is_protected: bool) -> None:
        present = _pointer(meeting, model, name, kind="alias")
        if (present is not None and present.protected) == is_protected:
            return
        conflict = _conflict("protection", model, name, source=_said(is_protected), target=_said(not is_protected))
        if not is_protected:
            meeting.leave(conflict)
            return
        request = Protect(model=model, alias=name, protected=True, reason=f"as in {self.repository}")
        meeting.attempt(conflict, lambda: meeting.target.run(pointers.PROTECT, request))

    def _settle_label(self, meeting: Meeting, model: str, version: str | None, label: tuple[str, str | None]) -> None:
        key, value = label
        if version is None:
            known = _model(meeting, model)
            labels, reference = (None if known is None else known.labels), model
        else:
            found = show(meeting.target, model, version)
            labels, reference = (None if found is None else found.labels), f"{model}@{version}"
        if labels is None or labels.get(key) == value:
            return
        conflict = _conflict("label", reference, key, source=value, target=labels.get(key))
        if key in labels or value is None:
            meeting.leave(conflict)
            return
        request = SetLabels(reference=reference, set={key: value})
        meeting.attempt(conflict, lambda: meeting.target.run(versions.LABEL, request))

    def _settle_title(self, meeting: Meeting, model: str, title: str | None) -> None:
        known = _model(meeting, model)
        if known is None or known.title == title:
            return
        conflict = _conflict("title", model, "title", source=title, target=known.title)
        if known.title is not None or title is None:
            meeting.leave(conflict)
            return
        request = SetTitle(model=model, title=title)
        meeting.attempt(conflict, lambda: meeting.target.run(models.ENTITLE, request))

    def _settle_withdrawal(self, meeting: Meeting, model: str, digest: str, reason: str | None) -> None:
        found = show(meeting.target, model, digest)
        if found is None or found.withdrawn is not None:
            return
        reference = f"{model}@{digest}"
        conflict = _conflict("withdrawal", model, found.reference, source="withdrawn")
        why = reason or f"withdrawn in {self.repository}, with a reason that was redacted"
        request = Withdraw(reference=reference, reason=why)
        meeting.attempt(conflict, lambda: meeting.target.run(versions.WITHDRAW, request))


def _conflict(
    kind: str, model: str, name: str, *, source: str | None, target: str | None = None, why: str = "it differs"
) -> Conflict:
    return Conflict(kind=kind, model=model, name=name, source=source, target=target, why=why)


def _said(is_protected: bool) -> str:  # noqa: FBT001  # the one thing that it says
    return "protected" if is_protected else "not protected"


def _pointer(meeting: Meeting, model: str, name: str, *, kind: str) -> PointerView | None:
    """Return an alias, also a protected name that none has, or a branch of the target."""
    asked = pointers.ALIASES if kind == "alias" else pointers.BRANCHES
    try:
        found = meeting.target.run(asked, OfModel(model=model)).pointers
    except NotFoundError:
        return None
    return next((each for each in found if each.name == name), None)


def _was_there(meeting: Meeting, model: str, alias: str) -> bool:
    """Return whether the target ever had an alias of that name."""
    try:
        return bool(meeting.target.run(pointers.MOVES, AliasLog(model=model, alias=alias, limit=1)).moves)
    except NotFoundError:
        return False


def _model(meeting: Meeting, model: str) -> ModelView | None:
    try:
        return meeting.target.run(models.MODEL, OfModel(model=model))
    except NotFoundError:
        return None
