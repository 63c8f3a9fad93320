"""Which bytes are wanted: one version, named so that it can mean no other."""

from dataclasses import dataclass

from stemma.records import Digest


@dataclass(frozen=True, slots=True)
class Wanted:
    """Files of one version: `reference` is `namespace/name@sha256:…`, `manifest` the digest of its list of files."""

    reference: str
    manifest: Digest
