"""Tensors in safetensors files, whole or in shards under an index; PyTorch's where it is installed, else NumPy's.

The form of an index is that of the Hugging Face Hub: `{"weight_map": {tensor: file}}`. A shard lies beside its index.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from stemma.client.objects.extras import is_installed, library
from stemma.errors import InvalidError, StemmaError, UnsupportedError

EXTRA = "torch"


class _Index(msgspec.Struct):
    weight_map: dict[str, str]


def write_tensors(source: object, file: Path) -> Path:
    """Write a PyTorch module, its state or a dictionary of arrays; InvalidError names what is neither."""
    torch = library("torch", extra=EXTRA) if _of_torch(source) else None
    try:
        if torch is None:
            library("safetensors.numpy", extra=EXTRA).save_file(_arrays(source), str(file))
        elif isinstance(source, torch.nn.Module):
            library("safetensors.torch", extra=EXTRA).save_model(source, str(file))
        else:
            library("safetensors.torch", extra=EXTRA).save_file(source, str(file))
    except StemmaError:
        raise
    except Exception as error:  # the library raises its own, torch's and Python's
        raise InvalidError(
            f"these tensors cannot be written as safetensors: {error}",
            hint="Save the model to a folder in its own format, and push that folder.",
        ) from error
    return file


def _of_torch(source: object) -> bool:
    values = source.values() if isinstance(source, Mapping) else [source]
    kinds = [kind for value in values for kind in type(value).__mro__]
    return any(kind.__module__.partition(".")[0] == "torch" for kind in kinds)


def _arrays(source: object) -> dict[str, Any]:
    """Return NumPy arrays in row order, as the library takes their memory as it lies."""
    numpy = library("numpy", extra=EXTRA)
    arrays = {}
    for name, value in source.items() if isinstance(source, Mapping) else ():
        if not isinstance(value, numpy.ndarray) or value.dtype.kind not in "biufc":
            raise InvalidError(
                f"{name!r} is a {type(value).__name__}, not an array of numbers",
                hint="Push a dictionary of NumPy arrays or PyTorch tensors, an estimator, or a folder.",
            )
        arrays[name] = numpy.asarray(value, dtype=value.dtype.newbyteorder("<"), order="C")
    return arrays


def read_tensors(file: Path) -> dict[str, Any]:
    """Return the tensors of one file by name; InvalidError where the library cannot read it."""
    with_torch = is_installed("torch")
    reader = library(f"safetensors.{'torch' if with_torch else 'numpy'}", extra=EXTRA)
    try:
        tensors: dict[str, Any] = reader.load_file(str(file))
    except Exception as error:  # the library raises its own and Python's
        if not with_torch and isinstance(error, KeyError | TypeError | AttributeError):
            raise UnsupportedError(
                f"it holds numbers of a kind that NumPy lacks ({error})",
                place=file.name,
                hint=f"pip install 'stemma-ml[{EXTRA}]'",
            ) from error
        raise InvalidError(f"cannot be read as safetensors: {error}", place=file.name) from error
    return tensors


def read_shards(index: Path) -> dict[str, Any]:
    """Return the tensors of all shards that an index names; InvalidError for one that is not beside it."""
    try:
        where = msgspec.json.decode(index.read_bytes(), type=_Index).weight_map
    except msgspec.DecodeError as error:
        raise InvalidError(f"not an index of tensors: {error}", place=index.name) from error
    tensors: dict[str, Any] = {}
    for shard in sorted(set(where.values())):
        tensors |= read_tensors(_beside(index, shard))
    missing = sorted(set(where) - set(tensors))
    if missing:
        raise InvalidError(f"{len(missing)} tensors are in no shard, {missing[0]!r} first", place=index.name)
    return tensors


def shards_of(index: Path) -> set[Path]:
    """Return the files that an index names and that are there; none where it cannot be read."""
    try:
        where = msgspec.json.decode(index.read_bytes(), type=_Index).weight_map
    except msgspec.DecodeError:
        return set()
    return {index.with_name(shard) for shard in where.values() if _is_name(shard)}


def _beside(index: Path, shard: str) -> Path:
    if not _is_name(shard):
        raise InvalidError(f"the shard {shard!r} does not lie beside its index", place=index.name)
    file = index.with_name(shard)
    if file.is_symlink() or not file.is_file():
        raise InvalidError(f"the shard {shard!r} is not there", place=index.name)
    return file


def _is_name(shard: str) -> bool:
    return shard not in {"", ".", ".."} and not {"/", "\\", "\0"} & set(shard)
