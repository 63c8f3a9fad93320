"""Models, their immutable versions, and the names by which people find them."""
