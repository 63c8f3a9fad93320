"""How a block's bytes are written: one file per codec, each known by a stable number in the block's header."""
