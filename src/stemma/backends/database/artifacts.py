"""The artifact index and the upload sessions.

The index is projected from the footers of packs, not from entries: `Artifacts.adopt` makes it again. A block, segment
or file that several packs hold has a row for each. Sessions are a journal.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import BindParameter, Column, ColumnElement, Index, Select, bindparam, delete, func, select

from stemma.artifacts.packs.pack import NO_BASE, Footer, PackId, StoredBlock
from stemma.artifacts.packs.recipe import ID_SIZE, BlockId, Recipe, Segment, SegmentId
from stemma.artifacts.ports import ManifestScopes, PackSummary, Place, Upload, UploadJournal
from stemma.backends.database.dialect import Connection, Statement, insert_or_ignore, member_of, upsert
from stemma.backends.database.schema import BYTES, TEXT, WHOLE, TableClass, digest_column, table
from stemma.errors import NotFoundError
from stemma.records import Digest

_AT_ONCE = 5_000  # members of one list parameter

packs = table(
    "packs",
    TableClass.PROJECTED,
    Column("id", BYTES, primary_key=True),
    Column("size", WHOLE, nullable=False),
    Column("scope", TEXT, nullable=False),
    rowid=False,
)
blocks = table(
    "blocks",
    TableClass.PROJECTED,
    digest_column("id", primary_key=True),
    Column("pack", BYTES, primary_key=True),
    Column("position", WHOLE, nullable=False),
    Column("stored", WHOLE, nullable=False),
    Column("raw", WHOLE, nullable=False),
    Column("codec", WHOLE, nullable=False),
    Column("check_bytes", BYTES, nullable=False),
    Column("base", BYTES),
    Index("ix_blocks_pack", "pack"),
    rowid=False,
)
segments = table(
    "segments",
    TableClass.PROJECTED,
    digest_column("id", primary_key=True),
    Column("pack", BYTES, primary_key=True),
    Column("position", WHOLE, nullable=False),
    Column("blocks", BYTES, nullable=False),
    Index("ix_segments_pack", "pack"),
    rowid=False,
)
files = table(
    "files",
    TableClass.PROJECTED,
    digest_column("digest", primary_key=True),
    Column("pack", BYTES, primary_key=True),
    Column("position", WHOLE, nullable=False),
    Column("recipe", BYTES, nullable=False),
    Index("ix_files_pack", "pack"),
    rowid=False,
)
uploads = table(
    "uploads",
    TableClass.JOURNAL,
    Column("id", TEXT, primary_key=True),
    Column("owner", TEXT, nullable=False),
    Column("namespace", TEXT, nullable=False),
    Column("began", WHOLE, nullable=False),
    Column("expires", WHOLE, nullable=False),
    digest_column("manifest", nullable=True),
    Index("ix_uploads_expires", "expires"),
    Index("ix_uploads_owner", "owner"),
    rowid=False,
)
manifests = table(
    "manifests",
    TableClass.JOURNAL,
    digest_column("digest", primary_key=True),
    Column("namespace", TEXT, primary_key=True),
    Column("size", WHOLE, nullable=False),
    rowid=False,
)
_HELD = (blocks, segments, files)


def _scoped(statement: Select[*tuple[Any, ...]], pack: ColumnElement[Any]) -> Statement:
    return Statement(statement.join(packs, packs.c.id == pack).where(member_of(packs.c.scope, "scopes")))


_of_pack: BindParameter[Any] = bindparam("pack")
_ADD_PACK = Statement(insert_or_ignore(packs))
_ADD_BLOCK = Statement(insert_or_ignore(blocks))
_ADD_SEGMENT = Statement(insert_or_ignore(segments))
_ADD_FILE = Statement(insert_or_ignore(files))
_REMOVE = (*(Statement(delete(each).where(each.c.pack == _of_pack)) for each in _HELD),)
_REMOVE_PACK = Statement(delete(packs).where(packs.c.id == _of_pack))
_PACKS = Statement(select(packs.c.id, packs.c.size, packs.c.scope).order_by(packs.c.id))
_SCOPE = Statement(select(packs.c.scope).where(packs.c.id == _of_pack))
_row = (
    blocks.c.id,
    blocks.c.position,
    blocks.c.stored,
    blocks.c.raw,
    blocks.c.codec,
    blocks.c.check_bytes,
    blocks.c.base,
)
_BLOCKS_OF = Statement(select(*_row).where(blocks.c.pack == _of_pack).order_by(blocks.c.position))
_SEGMENTS_OF = Statement(
    select(segments.c.id, segments.c.blocks).where(segments.c.pack == _of_pack).order_by(segments.c.position)
)
_FILES_OF = Statement(select(files.c.recipe).where(files.c.pack == _of_pack).order_by(files.c.position))
_known = select(blocks.c.id).where(member_of(blocks.c.id, "ids"))
_KNOWN = Statement(_known)
_KNOWN_TO = _scoped(_known, blocks.c.pack)
_recipes = select(files.c.digest, files.c.recipe).where(member_of(files.c.digest, "ids"))
_RECIPES = Statement(_recipes)
_RECIPES_TO = _scoped(_recipes, files.c.pack)
_SEGMENTS = Statement(select(segments.c.id, segments.c.blocks).where(member_of(segments.c.id, "ids")))
_PLACES = Statement(
    select(blocks.c.pack, *_row).where(member_of(blocks.c.id, "ids")).order_by(blocks.c.id, blocks.c.pack)
)
_PUT_UPLOAD = Statement(upsert(uploads, ["id"]))
_session = (
    uploads.c.id,
    uploads.c.owner,
    uploads.c.namespace,
    uploads.c.began,
    uploads.c.expires,
    uploads.c.manifest,
)
_FIND_UPLOAD = Statement(select(*_session).where(uploads.c.id == bindparam("id")))
_REMOVE_UPLOAD = Statement(delete(uploads).where(uploads.c.id == bindparam("which")))
_EXPIRED = Statement(select(*_session).where(uploads.c.expires <= bindparam("now")).order_by(uploads.c.id))
_OPEN = Statement(
    select(func.count())
    .select_from(uploads)
    .where(uploads.c.owner == bindparam("who"), uploads.c.expires > bindparam("now"), uploads.c.manifest.is_(None))
)
_ADD_MANIFEST = Statement(insert_or_ignore(manifests))
_SCOPES_OF = Statement(select(manifests.c.namespace).where(manifests.c.digest == bindparam("which")))


class DatabaseUploads:
    """`UploadJournal` on a database."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, upload: Upload) -> None:
        """Insert the session, or replace it."""
        self._connection.run(
            _PUT_UPLOAD,
            id=upload.id,
            owner=upload.owner,
            namespace=upload.namespace,
            began=upload.began,
            expires=upload.expires,
            manifest=None if upload.manifest is None else upload.manifest.raw,
        )

    def find(self, upload: str) -> Upload | None:
        """Return the session, expired or not."""
        row = self._connection.one(_FIND_UPLOAD, id=upload)
        return None if row is None else _upload(row)

    def remove(self, upload: str) -> None:
        """Forget the session."""
        self._connection.run(_REMOVE_UPLOAD, which=upload)

    def expired(self, now: int) -> Sequence[Upload]:
        """Return the sessions whose lease ran out."""
        return [_upload(row) for row in self._connection.all(_EXPIRED, now=now)]

    def open(self, owner: str, now: int) -> int:
        """Count an owner's sessions."""
        row = self._connection.one(_OPEN, who=owner, now=now)
        return 0 if row is None else int(row[0])


class DatabaseManifestScopes:
    """`ManifestScopes` on a database."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, manifest: Digest, namespace: str, size: int) -> None:
        """Insert a row unless it is there."""
        self._connection.run(_ADD_MANIFEST, digest=manifest.raw, namespace=namespace, size=size)

    def of(self, manifest: Digest) -> frozenset[str]:
        """Return the namespaces."""
        return frozenset(row[0] for row in self._connection.all(_SCOPES_OF, which=manifest.raw))


class DatabaseArtifacts:
    """`ArtifactIndex` on a database."""

    __slots__ = ("_connection", "manifests", "uploads")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.uploads: UploadJournal = DatabaseUploads(connection)
        self.manifests: ManifestScopes = DatabaseManifestScopes(connection)

    def add(self, pack: PackId, footer: Footer, size: int) -> None:
        """Enter a pack."""
        raw = bytes.fromhex(pack)
        self._connection.run(_ADD_PACK, id=raw, size=size, scope=footer.scope)
        self._connection.run_many(_ADD_BLOCK, [_block_row(raw, block) for block in footer.blocks])
        self._connection.run_many(
            _ADD_SEGMENT,
            [
                {"id": segment.id, "pack": raw, "position": position, "blocks": b"".join(segment.blocks)}
                for position, segment in enumerate(footer.segments)
            ],
        )
        self._connection.run_many(
            _ADD_FILE,
            [
                {"digest": recipe.digest.raw, "pack": raw, "position": position, "recipe": recipe.encode()}
                for position, recipe in enumerate(footer.recipes)
            ],
        )

    def remove(self, pack: PackId) -> None:
        """Forget a pack and what it held."""
        raw = bytes.fromhex(pack)
        for statement in (*_REMOVE, _REMOVE_PACK):
            self._connection.run(statement, pack=raw)

    def packs(self) -> Sequence[PackSummary]:
        """Return every pack."""
        return [PackSummary(PackId(row[0].hex()), row[1], row[2]) for row in self._connection.all(_PACKS)]

    def footer(self, pack: PackId) -> Footer:
        """Return what was entered for a pack."""
        raw = bytes.fromhex(pack)
        scope = self._connection.one(_SCOPE, pack=raw)
        if scope is None:
            raise NotFoundError(f"pack {pack} is not in the index")
        return Footer(
            scope[0],
            tuple(_block(row) for row in self._connection.all(_BLOCKS_OF, pack=raw)),
            tuple(_segment(*row) for row in self._connection.all(_SEGMENTS_OF, pack=raw)),
            tuple(
                Recipe.decode(row[0], place=f"index of pack {pack}")
                for row in self._connection.all(_FILES_OF, pack=raw)
            ),
        )

    def known_blocks(self, ids: Iterable[BlockId], scopes: frozenset[str] | None) -> frozenset[BlockId]:
        """Return those blocks that are stored."""
        return frozenset(BlockId(row[0]) for row in self._members(ids, scopes, _KNOWN, _KNOWN_TO))

    def recipes(self, digests: Iterable[Digest], scopes: frozenset[str] | None) -> Mapping[Digest, Recipe]:
        """Return the recipes of those files that are stored."""
        rows = self._members((digest.raw for digest in digests), scopes, _RECIPES, _RECIPES_TO)
        return {Digest.from_raw(digest): Recipe.decode(recipe, place="artifact index") for digest, recipe in rows}

    def segments(self, ids: Iterable[SegmentId]) -> Mapping[SegmentId, tuple[BlockId, ...]]:
        """Return the blocks of those segments that are stored."""
        return {SegmentId(row[0]): _ids(row[1]) for row in self._members(ids, None, _SEGMENTS, _SEGMENTS)}

    def places(self, ids: Iterable[BlockId]) -> Mapping[BlockId, tuple[Place, ...]]:
        """Return all copies of those blocks that are stored."""
        found: dict[BlockId, tuple[Place, ...]] = {}
        for pack, *row in self._members(ids, None, _PLACES, _PLACES):
            block = _block(row)
            found[block.id] = (*found.get(block.id, ()), Place(PackId(pack.hex()), block))
        return found

    def _members(
        self, ids: Iterable[bytes], scopes: frozenset[str] | None, free: Statement, scoped: Statement
    ) -> Iterator[tuple[Any, ...]]:
        wanted = list(ids)
        for at in range(0, len(wanted), _AT_ONCE):
            some = wanted[at : at + _AT_ONCE]
            if scopes is None:
                yield from self._connection.all(free, ids=some)
            else:
                yield from self._connection.all(scoped, ids=some, scopes=sorted(scopes))


def _upload(row: Sequence[Any]) -> Upload:
    id_, owner, namespace, began, expires, manifest = row
    return Upload(id_, owner, namespace, began, expires, None if manifest is None else Digest.from_raw(manifest))


def _block_row(pack: bytes, block: StoredBlock) -> dict[str, object]:
    return {
        "id": block.id,
        "pack": pack,
        "position": block.offset,
        "stored": block.stored,
        "raw": block.raw,
        "codec": block.codec,
        "check_bytes": block.check,
        "base": None if block.base == NO_BASE else block.base,
    }


def _block(row: Sequence[Any]) -> StoredBlock:
    id_, offset, stored, raw, codec, check, base = row
    return StoredBlock(BlockId(id_), offset, stored, raw, codec, check, NO_BASE if base is None else BlockId(base))


def _segment(id_: bytes, ids: bytes) -> Segment:
    return Segment(SegmentId(id_), _ids(ids))


def _ids(joined: bytes) -> tuple[BlockId, ...]:
    return tuple(BlockId(joined[at : at + ID_SIZE]) for at in range(0, len(joined), ID_SIZE))
