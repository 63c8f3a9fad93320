"""Namespaces and models on a database."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, func, insert, select, update

from stemma.backends.database.artifacts import manifests
from stemma.backends.database.dialect import Connection, Statement
from stemma.backends.database.registry.tables import models, namespaces, of_model, versions
from stemma.names import ModelName
from stemma.records import Digest
from stemma.registry import Model, Namespace

_ADD_NAMESPACE = Statement(insert(namespaces))
_FIND_NAMESPACE = Statement(
    select(namespaces.c.name, namespaces.c.time).where(namespaces.c.name == bindparam("called"))
)
_NAMESPACES = Statement(
    select(namespaces.c.name, namespaces.c.time)
    .where(namespaces.c.name > bindparam("after"))
    .order_by(namespaces.c.name)
    .limit(bindparam("size"))
)
_MODEL = select(
    models.c.namespace,
    models.c.model,
    models.c.time,
    models.c.actor,
    models.c.last,
    models.c.title,
    models.c.title_text,
    models.c.description,
    select(namespaces.c.name).where(namespaces.c.name == models.c.namespace).exists(),
)
_ADD = Statement(
    insert(models).values(
        namespace=bindparam("space"), model=bindparam("of"), time=bindparam("at"), actor=bindparam("by"), last=0
    )
)
_FIND = Statement(_MODEL.where(*of_model(models)))
_TITLED = Statement(
    select(models.c.model).where(models.c.namespace == bindparam("space"), models.c.title_key == bindparam("key"))
)
_ENTITLE = Statement(
    update(models)
    .where(*of_model(models))
    .values(title=bindparam("spelled"), title_key=bindparam("key"), title_text=bindparam("text"))
)
_DESCRIBE = Statement(update(models).where(*of_model(models)).values(description=bindparam("text")))
_PAGE = Statement(
    _MODEL.where(models.c.namespace == bindparam("space"), models.c.model > bindparam("after"))
    .order_by(models.c.model)
    .limit(bindparam("size"))
)

_SIZE = select(func.max(manifests.c.size)).where(manifests.c.digest == versions.c.manifest).scalar_subquery()
_EXTENT = Statement(
    select(func.count(), func.coalesce(func.sum(_SIZE), 0))
    .select_from(versions)
    .where(versions.c.namespace == bindparam("space"))
)


def raw(digest: Digest | None) -> bytes | None:
    """Return a digest as it is stored."""
    return None if digest is None else digest.raw


def digest(stored: bytes | None) -> Digest | None:
    """Return a stored digest."""
    return None if stored is None else Digest.from_raw(stored)


class DatabaseNamespaces:
    """`NamespaceStore` on a database."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, namespace: Namespace) -> None:
        """Add a namespace."""
        self._connection.send(_ADD_NAMESPACE, name=namespace.name, time=namespace.time)

    def find(self, name: str) -> Namespace | None:
        """Return a namespace."""
        row = self._connection.one(_FIND_NAMESPACE, called=name)
        return None if row is None else Namespace(*row)

    def extent(self, name: str) -> tuple[int, int]:
        """Return how many versions a namespace has, and how many bytes they hold."""
        count, size = self._connection.one(_EXTENT, space=name) or (0, 0)
        return int(count), int(size)

    def page(self, after: str, limit: int) -> Sequence[Namespace]:
        """Return namespaces whose names follow `after`."""
        return [Namespace(*row) for row in self._connection.all(_NAMESPACES, after=after, size=limit)]


class DatabaseModels:
    """`ModelStore` on a database."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, model: Model) -> None:
        """Add a model."""
        self._connection.send(_ADD, space=model.name.namespace, of=model.name.name, at=model.time, by=model.actor)

    def find(self, name: ModelName) -> Model | None:
        """Return a model."""
        row = self._connection.one(_FIND, space=name.namespace, of=name.name)
        return None if row is None else _model(row)

    def titled(self, namespace: str, key: bytes) -> ModelName | None:
        """Return the model whose title has this key."""
        row = self._connection.one(_TITLED, space=namespace, key=key)
        return None if row is None else ModelName(namespace, row[0])

    def entitle(self, name: ModelName, title: str | None, key: bytes | None, text: Digest | None) -> None:
        """Give the model another title, or none."""
        self._connection.send(_ENTITLE, space=name.namespace, of=name.name, spelled=title, key=key, text=raw(text))

    def describe(self, name: ModelName, text: Digest | None) -> None:
        """Give the model another description, or none."""
        self._connection.send(_DESCRIBE, space=name.namespace, of=name.name, text=raw(text))

    def page(self, namespace: str, after: str, limit: int) -> Sequence[Model]:
        """Return models whose names follow `after`."""
        return [_model(row) for row in self._connection.all(_PAGE, space=namespace, after=after, size=limit)]


def _model(row: tuple[Any, ...]) -> Model:
    namespace, name, time, actor, last, title, title_text, description, has_arrived = row
    texts = (title, digest(title_text), digest(description))
    return Model(ModelName(namespace, name), time, actor, last, *texts, is_arriving=not has_arrived)
