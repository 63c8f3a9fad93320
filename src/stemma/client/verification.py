"""Verification: what the SDK says of bytes that were read again."""

from collections.abc import Callable, Collection, Iterable, Iterator

from stemma.client.answers import Affected, Damage, Verified
from stemma.client.calls import Calls
from stemma.client.files.wanted import Wanted
from stemma.client.progress import Progress
from stemma.operations.views import Resolved
from stemma.records import Digest

Holding = Callable[[Collection[str]], Iterable[tuple[str, str]]]


def verify_store(calls: Calls, holding: Holding, *, deep: bool, progress: Progress) -> Verified:
    """Check the whole store of a folder; `holding` says where files with some digests are."""
    report = calls.upkeep(
        "verifying a whole store", "Name versions, such as a model@production; or run it in the server's folder."
    ).verify(deep=deep, progress=progress)
    users: dict[str, list[str]] = {}
    if report.affected:
        for digest, where in holding({str(file.digest) for file in report.affected}):
            users.setdefault(digest, []).append(where)
    notes = [f"pack {pack} waits for its upload to be finished or forgotten" for pack in report.unindexed]
    return Verified(
        sound=report.sound,
        deep=deep,
        packs=report.packs,
        blocks=report.blocks,
        files=report.files,
        bytes=report.bytes,
        damage=tuple(Damage(file=f"pack {each.pack}", offset=each.offset, what=each.what) for each in report.damages),
        affected=tuple(
            Affected(
                digest=file.digest,
                what=f"{file.what}: {file.lost:,} of {file.size:,} bytes are lost",
                references=tuple(users.get(file.digest, ())),
            )
            for file in report.affected
        ),
        notes=(*notes, *report.unsupported),
    )


def verify_versions(calls: Calls, versions: Iterable[Resolved], progress: Progress) -> Verified:
    """Read every file of some versions again, as whoever pulls them would."""
    files = size = 0
    affected: list[Affected] = []
    for version in versions:
        wanted = Wanted(f"{version.model}@{version.digest}", Digest(version.manifest))
        manifest = calls.files.manifest(wanted)
        files += len(manifest.files)
        size += manifest.size
        affected += _affected(version, dict(calls.files.check(wanted, progress)), calls, wanted)
    return Verified(
        sound=not affected,
        deep=True,
        packs=None,
        blocks=None,
        files=files,
        bytes=size,
        affected=tuple(affected),
    )


def _affected(version: Resolved, wrong: dict[str, str], calls: Calls, wanted: Wanted) -> Iterator[Affected]:
    if wrong:
        digests = {file.path: file.digest for file in calls.files.manifest(wanted).files}
        for path, what in wrong.items():
            yield Affected(digest=digests[path], what=what, references=(f"{version.reference}:{path}",))
