"""Operations on the ledger."""

import json

from stemma.access import Caller, Permission, may, require
from stemma.errors import NotFoundError
from stemma.ledger import Entry, LogFilter, format_time
from stemma.operations.operation import Operation, Subjects, Transaction
from stemma.operations.reading import author_of, read_moment
from stemma.operations.requests import Nothing, ReadLog
from stemma.operations.views import EntryPage, EntryView, NamespacePage


def _log(subjects: Subjects, tx: Transaction, caller: Caller, asked: ReadLog) -> EntryPage:
    """List entries of a log."""
    namespace = asked.namespace or ""
    require(tx, caller, Permission.AUDIT, namespace)
    if tx.ledger.head(namespace).size == 0:
        raise NotFoundError(f"there is no log of {namespace[:80]!r}")
    chosen = LogFilter(
        concerns=asked.concerns,
        action=asked.action,
        since=read_moment(asked.since),
        until=None if asked.until is None else (read_moment(asked.until) or 0) + 1,
    )
    query = f"log {namespace} {chosen} {asked.oldest_first}"
    after = subjects.position(asked.token, query, caller)
    page = subjects.ledger.log(
        tx, namespace, chosen, after=after, newest_first=not asked.oldest_first, limit=asked.limit
    )
    token = subjects.token(page.entries[-1].sequence, query, caller) if page.more else None
    return EntryPage(entries=tuple(_view(subjects, tx, entry) for entry in page.entries), next_token=token)


def _view(subjects: Subjects, tx: Transaction, entry: Entry) -> EntryView:
    reason = None if entry.reason is None else tx.texts.read(entry.reason)
    return EntryView(
        namespace=entry.namespace,
        sequence=entry.sequence,
        time=format_time(entry.time),
        actor=author_of(subjects, tx, entry.actor.id) or entry.actor.id,
        action=entry.action,
        thing=f"{entry.thing.kind} {entry.thing.id}",
        before=entry.before,
        after=entry.after,
        reason=None if reason is None else reason[1],
        outcome=entry.outcome,
        data=json.loads(entry.encode()),
    )


def _logs(subjects: Subjects, tx: Transaction, caller: Caller, asked: Nothing) -> NamespacePage:
    """List the logs that the caller may read."""
    del subjects, asked
    found = (name for name in tx.ledger.namespaces() if may(tx, caller, Permission.AUDIT, name))
    return NamespacePage(namespaces=tuple(found))


LOG = Operation("log.read", ReadLog, EntryPage, Permission.AUDIT, "GET", "/log", _log)
LOGS = Operation(
    "log.list", Nothing, NamespacePage, None, "GET", "/logs", _logs, unasked="lists the logs that one may read"
)
