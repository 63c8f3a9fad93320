"""Where packs are kept: a folder on a local disk, or memory."""
