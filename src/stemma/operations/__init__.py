"""The table of operations: everything that a door can ask for, each declared once.

A new operation is a request, a view, and a row in the file of its noun; every door finds it here.
"""

from stemma.operations import evidence, log, models, pointers, relations, server, versions
from stemma.operations.exchange import importing, offering, receiving
from stemma.operations.files import uploads
from stemma.operations.operation import AnyOperation, Operation, Subjects, Transaction
from stemma.operations.people import roles, tokens, users
from stemma.operations.upkeep import health, webhooks

NOUNS = (
    models,
    versions,
    pointers,
    relations,
    log,
    evidence,
    server,
    health,
    webhooks,
    uploads,
    users,
    roles,
    tokens,
    offering,
    receiving,
    importing,
)
TABLE: tuple[AnyOperation, ...] = tuple(
    value for noun in NOUNS for value in vars(noun).values() if isinstance(value, Operation)
)
BY_NAME: dict[str, AnyOperation] = {operation.name: operation for operation in TABLE}

__all__ = ["BY_NAME", "TABLE", "AnyOperation", "Operation", "Subjects", "Transaction"]
