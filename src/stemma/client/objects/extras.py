"""Libraries that the light core does not bring: imported when needed, else named with the extra that has them."""

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from stemma.errors import UnsupportedError


def library(name: str, *, extra: str) -> ModuleType:
    """Import a module of an optional library; UnsupportedError says which extra of Stemma brings it."""
    try:
        return import_module(name)
    except ImportError as error:
        raise UnsupportedError(
            f"{name.partition('.')[0]} is not installed, and this model needs it ({error})",
            hint=f"pip install 'stemma-ml[{extra}]'",
        ) from error


def is_installed(name: str) -> bool:
    """Whether a library could be imported; it is not."""
    return find_spec(name) is not None
