"""The servers that the native protocol's tests use."""

from tests.wire.native.conftest import guarded, served

__all__ = ["guarded", "served"]
