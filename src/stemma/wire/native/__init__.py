"""The native protocol: `/api/v1`, which the table of operations and the byte routes beside it make."""
