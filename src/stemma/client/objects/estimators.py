"""scikit-learn estimators in skops files: written so that the same estimator gives the same bytes, read with suspicion.

A skops file is a zip of arrays and one `schema.json`, whose types are looked up by name; nothing is unpickled. skops
trusts a list of types. To those this module adds a few, and checks what skops distrusts for a reason: trees are read
without a bounds check by scikit-learn, so their indices are checked here before the estimator is handed out.
"""

import gc
import io
import json
import zipfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, TypeAlias

from stemma.client.objects.extras import library
from stemma.errors import InvalidError, RefusedError, StemmaError, TooLargeError

Foreign: TypeAlias = Any  # an object of a library that is imported only when it is needed

EXTRA = "sklearn"
SCHEMA = "schema.json"
# Plain values and pure Python of scikit-learn that fitted estimators hold; `Tree` is checked by `_check_trees`.
TRUSTED = frozenset(
    {
        "numpy.dtype",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.compose._column_transformer._RemainderColsList",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.tree._tree.Tree",
        "sklearn.utils._bunch.Bunch",
    }
)
_MOST = 64  # times its own size may a file unpack to, beyond this much
_FREE = 64 << 20
_LEAF = -1
_ENSEMBLES = frozenset({"BaseForest", "BaseGradientBoosting", "IsolationForest"})
HINT = "Pass trust=True if you trust everyone who could have made this version."
_MADE = (1980, 1, 1, 0, 0, 0)  # the oldest time that a zip can say


def write_estimator(estimator: object, file: Path) -> Path:
    """Write an estimator; InvalidError for one that skops cannot write.

    Sets of texts are written in the order that Python's hashing gives them, so those alone may differ between runs.
    """
    skops = library("skops.io", extra=EXTRA)
    try:
        data = skops.dumps(estimator)
    except Exception as error:  # skops raises its own and Python's
        raise InvalidError(
            f"skops cannot write a {type(estimator).__qualname__}: {error}",
            hint="Save it to a folder in its own format, and push that folder.",
        ) from error
    file.write_bytes(_settle(data))
    return file


def _settle(data: bytes) -> bytes:
    """Write a skops file again without the two things that change from run to run: addresses in memory, and the time.

    skops names objects and members by their address. They are numbered here in the order in which the schema has them.
    """
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(written, "w") as target:
        schema = json.loads(source.read(SCHEMA))
        numbering = _Numbering(frozenset(source.namelist()))
        numbering.visit(schema)
        for old, new in numbering.members.items():
            target.writestr(_member(new), source.read(old))
        target.writestr(_member(SCHEMA), json.dumps(schema, indent=1))
    return written.getvalue()


class _Numbering:
    """Numbers for objects and members by their old names; leaves get one each, as whether they are shared is chance."""

    def __init__(self, names: frozenset[str]) -> None:
        self.members: dict[str, str] = {}
        self._names = names
        self._objects: dict[int, int] = {}
        self._next = count(1)

    def visit(self, node: object) -> None:
        """Give numbers to what is in `node`, at any depth, in place."""
        if isinstance(node, dict):
            old, file = node.get("__id__"), node.get("file")
            if isinstance(old, int) and node.get("__loader__") == "JsonNode":
                node["__id__"] = next(self._next)
            elif isinstance(old, int):
                if old not in self._objects:
                    self._objects[old] = next(self._next)
                node["__id__"] = self._objects[old]
            if isinstance(file, str) and file in self._names:
                node["file"] = self.members.setdefault(file, f"{len(self.members) + 1}{Path(file).suffix}")
        for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            self.visit(value)


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, _MADE)
    member.create_system = 3  # the same on every system
    member.external_attr = 0o600 << 16
    return member


def read_estimator(file: Path, *, trust: bool) -> object:
    """Return the estimator in a file.

    RefusedError lists types that are not trusted, InvalidError says why it cannot be read, TooLargeError stops a bomb.
    """
    skops = library("skops.io", extra=EXTRA)
    try:
        with zipfile.ZipFile(file) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        _check_size(file, unpacked)
        unknown = sorted(skops.get_untrusted_types(file=file))
        if not trust:
            _check_types(file, set(unknown) - TRUSTED)
        estimator: object = skops.load(file, trusted=unknown)
    except StemmaError:
        raise
    except Exception as error:  # a foreign reader raises anything on foreign bytes
        raise InvalidError(f"cannot be read as a skops file: {error}", place=file.name) from error
    if not trust:
        _check_trees(estimator, file.name)
    return estimator


def _check_size(file: Path, unpacked: int) -> None:
    if unpacked > _FREE + _MOST * file.stat().st_size:
        raise TooLargeError(f"{file.stat().st_size} bytes unpack to {unpacked}", place=file.name)


def _check_types(file: Path, strange: set[str]) -> None:
    if strange:
        raise RefusedError(
            f"it holds types that are not trusted: {', '.join(sorted(strange))}", place=file.name, hint=HINT
        )


def _check_trees(estimator: object, place: str) -> None:
    """Refuse trees that would make scikit-learn read beyond them, walk for ever, or look at features that no input has.

    A tree that stands alone is held to the number of features that its estimator checks its input against; forests
    and boosting hand their trees an input that only they have checked.
    """
    numpy = library("numpy", extra=EXTRA)
    tree_kind: type = library("sklearn.tree._tree", extra=EXTRA).Tree
    for found in _reachable(estimator, numpy.ndarray):
        if isinstance(found, tree_kind) and not _is_sound(found, numpy):
            raise InvalidError("it holds a tree whose nodes point outside of it", place=place)
        state = _state(found)
        features, inner = state.get("n_features_in_"), state.get("tree_")
        matches = not isinstance(inner, tree_kind) or getattr(inner, "n_features", None) == features
        if _ENSEMBLES & {kind.__name__ for kind in type(found).__mro__}:
            grid = numpy.array(state.get("estimators_", []), dtype=object)
            matches &= all(_state(member).get("n_features_in_") == features for member in grid.ravel().tolist())
            matches &= grid.ndim == 1 or grid.shape[1] == state.get("n_trees_per_iteration_")
        if not matches:
            raise RefusedError("it holds trees that do not fit the model around them", place=place, hint=HINT)


def _state(found: object) -> dict[str, Any]:
    """Return the attributes of an object as they are, asking no property."""
    state = getattr(found, "__dict__", None)
    return state if isinstance(state, dict) else {}


def _is_sound(tree: Foreign, numpy: ModuleType) -> bool:
    left, right, place = tree.children_left, tree.children_right, numpy.arange(tree.node_count)
    leaf = left == _LEAF
    inside = (left > place) & (left < tree.node_count) & (right > place) & (right < tree.node_count)
    inside &= (tree.feature >= 0) & (tree.feature < tree.n_features)
    return bool(tree.node_count > 0 and numpy.all(leaf | inside))


def _reachable(start: object, array_kind: type) -> Iterator[object]:
    """Yield every object that `start` holds, at any depth; code is not looked into."""
    seen: set[int] = set()
    waiting = [start]
    while waiting:
        found = waiting.pop()
        if id(found) in seen or isinstance(found, type | ModuleType | FunctionType):
            continue
        seen.add(id(found))
        yield found
        if isinstance(found, array_kind):
            waiting.extend(found.ravel().tolist() if found.dtype == object else [])  # type: ignore[attr-defined]
        else:
            waiting.extend(gc.get_referents(found))
