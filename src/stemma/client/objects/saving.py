"""From what people push to files: a path as it is, a model object in a format that runs no code when it is read.

Invariant: the same object gives the same bytes, so that pushing it again stores nothing new.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from stemma.client.objects.estimators import write_estimator
from stemma.client.objects.extras import library
from stemma.client.objects.tensors import write_tensors
from stemma.errors import InvalidError

SKOPS_FILE = "model.skops"
TENSORS_FILE = "model.safetensors"
ONNX_FILE = "model.onnx"


@contextmanager
def saved(source: object) -> Iterator[Path]:
    """Yield the folder or file that holds `source`: itself if it is a path, else a temporary folder.

    InvalidError for an object of a kind that is not known; UnsupportedError names the extra that is missing.
    """
    if isinstance(source, str | PathLike):
        yield Path(source)
        return
    with tempfile.TemporaryDirectory(prefix="stemma-push-") as folder:
        save_object(source, Path(folder))
        yield Path(folder)


def save_object(source: object, folder: Path) -> Path:
    """Write a model object into `folder` and return the file.

    A scikit-learn estimator becomes `model.skops`; a PyTorch module, its state or a dictionary of arrays
    `model.safetensors`; an ONNX model `model.onnx`.
    """
    made_by = {kind.__module__.partition(".")[0] for kind in type(source).__mro__}
    if "sklearn" in made_by:
        return write_estimator(source, folder / SKOPS_FILE)
    if "torch" in made_by or (isinstance(source, Mapping) and source and all(isinstance(key, str) for key in source)):
        return write_tensors(source, folder / TENSORS_FILE)
    if "onnx" in made_by and hasattr(source, "SerializeToString"):
        library("onnx", extra="onnx").checker.check_model(source)
        file = folder / ONNX_FILE
        file.write_bytes(source.SerializeToString(deterministic=True))
        return file
    kind = f"{type(source).__module__}.{type(source).__qualname__}"
    raise InvalidError(
        f"a {kind} cannot be stored as a model object",
        hint="Save it to a folder in its library's own format, and push that folder. Objects that can be pushed: "
        "scikit-learn estimators, PyTorch modules, dictionaries of arrays, ONNX models.",
    )
