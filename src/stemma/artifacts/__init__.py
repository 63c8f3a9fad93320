"""Bytes: manifests of files, the formats they are cut by, the blocks and packs they are kept in. Does no I/O itself."""
