"""From a verified folder of files to a model: by its one file in a known format, else the folder itself.

Nothing that runs code when it is read is read without explicit trust: pickles in all their guises are opaque bytes.
"""

import zipfile
from pathlib import Path

from stemma.client.objects.estimators import read_estimator
from stemma.client.objects.extras import is_installed, library
from stemma.client.objects.tensors import read_shards, read_tensors, shards_of
from stemma.errors import InvalidError, RefusedError

INDEX = ".safetensors.index.json"
MODELS = (".skops", ".safetensors", INDEX, ".onnx")
PICKLES = (".pkl", ".pickle", ".joblib")
TORCH = (".pt", ".pth", ".ckpt", ".bin")  # pickles too, if their first bytes say so
_PICKLED = b"\x80"  # how every pickle of protocol 2 and later begins


def load_folder(folder: Path, *, trust: bool, reference: str) -> object:
    """Return the model in a verified folder: an estimator, tensors by name, an ONNX session or model; else the folder.

    With several model files it is an InvalidError that lists them. RefusedError for what runs code when it is read,
    unless `trust`. UnsupportedError names the extra that is missing.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    found = [file for file in files if file.name.lower().endswith(MODELS)]
    shards = {shard for file in found if file.name.endswith(INDEX) for shard in shards_of(file)}
    found = [file for file in found if file not in shards] or [file for file in files if is_pickle(file)]
    if len(found) > 1:
        names = ", ".join(repr(file.relative_to(folder).as_posix()) for file in found[:10])
        raise InvalidError(
            f"{reference} holds {len(found)} files that could be the model: {names}",
            hint=f"Take its folder, stemma.path({reference!r}), and read the one that you mean.",
        )
    return _load_file(found[0], trust=trust) if found else folder


def _load_file(file: Path, *, trust: bool) -> object:
    name = file.name.lower()
    if name.endswith(".skops"):
        return read_estimator(file, trust=trust)
    if name.endswith(INDEX):
        return read_shards(file)
    if name.endswith(".safetensors"):
        return read_tensors(file)
    if name.endswith(".onnx"):
        return _read_onnx(file)
    return _read_pickle(file, trust=trust)


def is_pickle(file: Path) -> bool:
    """Whether reading this file as a model would unpickle it."""
    name = file.name.lower()
    if name.endswith(PICKLES):
        return True
    if not name.endswith(TORCH):
        return False
    with file.open("rb") as opened:
        first = opened.read(1)
    return first == _PICKLED or _is_torch_zip(file)


def _is_torch_zip(file: Path) -> bool:
    try:
        with zipfile.ZipFile(file) as archive:
            return any(name.endswith("data.pkl") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False


def _read_onnx(file: Path) -> object:
    with_runtime = is_installed("onnxruntime")
    reader = library("onnxruntime" if with_runtime else "onnx", extra="onnx")
    try:
        if with_runtime:
            return reader.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        return reader.load(str(file))
    except Exception as error:  # both libraries raise their own and Python's
        raise InvalidError(f"cannot be read as ONNX: {error}", place=file.name) from error


def _read_pickle(file: Path, *, trust: bool) -> object:
    if not trust:
        raise RefusedError(
            "this file is a pickle: to read it is to run whatever code it holds",
            place=file.name,
            hint="Pass trust=True if you trust everyone who could have made this version; pull its files otherwise. "
            "Better push the model object itself: it is stored in a format that runs no code.",
        )
    try:
        if file.name.lower().endswith(TORCH):
            return library("torch", extra="torch").load(file, map_location="cpu", weights_only=False)
        return library("joblib", extra="sklearn").load(file)
    except Exception as error:  # unpickling raises anything
        raise InvalidError(f"cannot be read: {type(error).__name__}: {error}", place=file.name) from error
