"""Accepting packs that were made elsewhere: sealed, read, checked, published; bounded in memory whatever they are."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from stemma.artifacts.packs.pack import PackId
from stemma.artifacts.pipeline import THREADS
from stemma.artifacts.ports import BlobStore, Upload
from stemma.artifacts.uploads.checking import Checking, Reads, read_pack
from stemma.artifacts.uploads.intake import Addition, publish
from stemma.artifacts.uploads.limits import Limits
from stemma.errors import InvalidError, TooLargeError


def accept(  # called by the front alone
    store: BlobStore,
    upload: Upload,
    packs: Sequence[PackId],
    read: Reads,
    limits: Limits,
    *,
    scopes: frozenset[str] | None,
    progress: Callable[[int], None],
) -> Addition:
    """Do what `Artifacts.accept` says.

    1. Each pack is sealed: nothing is added to it from here on. 2. Its frame and footer are read. 3. All is checked.
    4. All packs are published.
    """
    if len(set(packs)) != len(packs):
        raise InvalidError("a pack is listed twice", hint="List each pack once.")
    if len(packs) > limits.packs:
        raise TooLargeError(f"{len(packs)} packs; one upload may have {limits.packs}")
    drafts = {pack: store.seal(upload.id, pack) for pack in packs}
    sizes = store.arrived(upload.id)
    written, room = [], limits.footers
    for pack, draft in drafts.items():
        written.append(read_pack(draft, pack, sizes.get(pack, 0), scope=upload.namespace, room=room))
        room -= written[-1].footer_size
    with ThreadPoolExecutor(THREADS, thread_name_prefix="stemma-check") as pool:
        checking = Checking(store, written, read, scopes, pool, progress)
        if checking.size > limits.content:
            raise TooLargeError(f"the new files have {checking.size:,} bytes; one upload may have {limits.content:,}")
        checking.run()
    return publish(store, upload, written)
