"""Model objects: the same bytes each time, the same predictions back, and nothing that runs code without trust."""

import functools
import json
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import joblib
import numpy as np
import pytest
import skops.io
from safetensors.numpy import load_file, save_file
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier, IsolationForest, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from stemma.client import Repository
from stemma.client.objects import extras
from stemma.client.objects.loading import load_folder
from stemma.client.objects.saving import saved
from stemma.errors import InvalidError, RefusedError, StemmaError, TooLargeError, UnsupportedError

Foreign: TypeAlias = Any  # scikit-learn comes without types

RANDOM = np.random.default_rng(7)
TABLE = RANDOM.normal(size=(120, 4))
TRUTH = (TABLE[:, 0] + TABLE[:, 1] ** 2 > 0.5).astype(int)

ESTIMATORS: dict[str, Callable[[], Any]] = {
    "logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=5, random_state=0),
    "three classes": lambda: GradientBoostingClassifier(n_estimators=3, random_state=0),
    "forest": lambda: RandomForestClassifier(n_estimators=5, random_state=0),
    "columns": lambda: make_pipeline(
        ColumnTransformer([("scaled", StandardScaler(), [0, 1])], remainder="passthrough"),
        DecisionTreeClassifier(random_state=0),
    ),
    "calibrated": lambda: CalibratedClassifierCV(LogisticRegression(), cv=3),
}


def fitted(name: str) -> Foreign:
    """Return a new estimator, fitted on the table."""
    truth = (TABLE[:, 0] > 0).astype(int) + (TABLE[:, 1] > 0) if name == "three classes" else TRUTH
    return ESTIMATORS[name]().fit(TABLE, truth)


def load(folder: Path, *, trust: bool = False) -> Foreign:
    """Load what is in a folder."""
    return load_folder(folder, trust=trust, reference="me/model@1.0.0")


@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_estimator_is_the_same_bytes_each_time_and_predicts_the_same(name: str) -> None:
    with saved(fitted(name)) as first, saved(fitted(name)) as second:
        assert [file.name for file in first.iterdir()] == ["model.skops"]
        assert (first / "model.skops").read_bytes() == (second / "model.skops").read_bytes()
        loaded = load(first)
    assert np.array_equal(loaded.predict_proba(TABLE), fitted(name).predict_proba(TABLE))


def test_another_process_writes_the_same_bytes(tmp_path: Path) -> None:
    program = (
        "import sys; sys.path.insert(0, '.'); from pathlib import Path\n"
        "from tests.client.test_objects import fitted; from stemma.client.objects.saving import save_object\n"
        "save_object(fitted('boosting'), Path(sys.argv[1]))"
    )
    files = []
    for seed in ("1", "2"):
        (tmp_path / seed).mkdir()
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / seed)],
            env={"PYTHONHASHSEED": seed, "HOME": str(tmp_path)},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        files.append((tmp_path / seed / "model.skops").read_bytes())
    assert files[0] == files[1]


def test_what_an_estimator_shares_stays_shared() -> None:
    scaler = StandardScaler().fit(TABLE)
    both = make_pipeline(scaler, FunctionTransformer(np.log1p, check_inverse=False), scaler)
    with saved(both) as folder:
        loaded = load(folder)
    assert np.array_equal(loaded.steps[0][1].mean_, scaler.mean_)
    assert loaded.steps[1][1].func is np.log1p


def test_types_that_are_not_trusted_are_listed(tmp_path: Path) -> None:
    skops.io.dump(FunctionTransformer(functools.partial(np.testing.assert_equal, 1)), tmp_path / "model.skops")
    with pytest.raises(RefusedError, match=r"functools.partial, numpy.testing.*assert_equal") as refused:
        load(tmp_path)
    assert refused.value.place == "model.skops"
    assert "trust=True" in refused.value.hint
    assert isinstance(load(tmp_path, trust=True), FunctionTransformer)


def tampered(estimator: Foreign, change: Callable[[Any], None]) -> Foreign:
    """Return an estimator of which `change` has changed the nodes of the first tree."""
    tree = np.ravel(np.array(getattr(estimator, "estimators_", [estimator]), dtype=object))[0]
    state = tree.tree_.__getstate__()
    state["nodes"] = state["nodes"].copy()
    change(state["nodes"])
    tree.tree_.__setstate__(state)
    return estimator


def outside(nodes: Foreign) -> None:
    nodes["left_child"][0] = 10**9


def endless(nodes: Foreign) -> None:
    nodes["right_child"][0] = 0


def beyond(nodes: Foreign) -> None:
    nodes["feature"][0] = 1_000_000


@pytest.mark.parametrize("change", [outside, endless, beyond])
@pytest.mark.parametrize("name", ["boosting", "forest"])
def test_trees_that_would_crash_the_reader_are_refused(name: str, change: Callable[[Any], None]) -> None:
    with saved(tampered(fitted(name), change)) as folder, pytest.raises(InvalidError, match="point outside"):
        load(folder)


def test_trees_for_other_features_than_their_models_are_refused() -> None:
    lying = fitted("forest")
    lying.n_features_in_ = 1
    alone = DecisionTreeClassifier().fit(TABLE, TRUTH)
    alone.n_features_in_ = 1
    wide = fitted("boosting")
    wide.estimators_ = np.concatenate([wide.estimators_, wide.estimators_], axis=1)
    some = IsolationForest(n_estimators=3, max_features=0.5, random_state=0).fit(TABLE)
    for model in (lying, alone, wide, some):
        with saved(model) as folder:
            with pytest.raises(RefusedError, match="do not fit"):
                load(folder)
            assert type(load(folder, trust=True)) is type(model)


@pytest.mark.parametrize("damage", ["cut", "no schema", "no json", "odd"])
def test_a_broken_skops_file_is_an_error_of_ours(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "model.skops"
    with saved(fitted("logistic")) as folder:
        data = (folder / "model.skops").read_bytes()
    if damage == "cut":
        file.write_bytes(data[: len(data) // 2])
    else:
        with zipfile.ZipFile(file, "w") as archive:
            if damage != "no schema":
                archive.writestr("schema.json", "{" if damage == "no json" else json.dumps({"protocol": 0, "a": []}))
    with pytest.raises(InvalidError, match="cannot be read as a skops file"):
        load(tmp_path)


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.skops", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", bytes(200 << 20))
    with pytest.raises(TooLargeError):
        load(tmp_path)


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    arrays = {
        "weights": np.arange(12, dtype=np.float32).reshape(3, 4).T,  # not in row order
        "big endian": np.arange(3, dtype=">i4"),
        "scalar": np.array(7, dtype=np.int64),
        "none": np.zeros((0, 3)),
    }
    with saved(arrays) as first, saved(arrays) as second:
        assert (first / "model.safetensors").read_bytes() == (second / "model.safetensors").read_bytes()
        loaded = load(first)
    assert set(loaded) == set(arrays)
    for name, array in arrays.items():
        assert np.array_equal(loaded[name], array), name
        assert loaded[name].shape == array.shape, name
    save_file({"a": np.ones(3)}, str(tmp_path / "x.safetensors"))
    assert np.array_equal(load(tmp_path)["a"], load_file(tmp_path / "x.safetensors")["a"])


@pytest.mark.parametrize("value", ["text", np.array(["text"]), np.array([None]), 3.5])
def test_what_is_no_array_is_refused_by_name(value: object) -> None:
    with pytest.raises(InvalidError, match="'b' is a"), saved({"a": np.ones(2), "b": value}):
        pass


@pytest.mark.parametrize("thing", [object(), 7, {}, [1], {1: np.ones(2)}, b"bytes"])
def test_an_object_of_no_known_kind_is_refused_by_type(thing: object) -> None:
    with pytest.raises(InvalidError, match=type(thing).__name__), saved(thing):
        pass


def test_a_path_is_what_it_is(tmp_path: Path) -> None:
    for given in (tmp_path, str(tmp_path)):
        with saved(given) as found:
            assert found == tmp_path


def write_index(folder: Path, where: object) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))


def test_shards_are_read_as_one(tmp_path: Path) -> None:
    save_file({"a": np.ones(2)}, str(tmp_path / "model-1.safetensors"))
    save_file({"b": np.zeros(3)}, str(tmp_path / "model-2.safetensors"))
    write_index(tmp_path, {"a": "model-1.safetensors", "b": "model-2.safetensors"})
    assert {name: array.tolist() for name, array in load(tmp_path).items()} == {"a": [1, 1], "b": [0, 0, 0]}


@pytest.mark.parametrize(
    "shard", ["../secret.safetensors", "/etc/passwd", "sub/x", "a\\b", "", ".", "..", "a\0b", "gone"]
)
def test_an_index_leads_nowhere_else(tmp_path: Path, shard: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    save_file({"a": np.ones(2)}, str(tmp_path / "secret.safetensors"))
    write_index(folder, {"a": shard})
    with pytest.raises(InvalidError) as refused:
        load(folder)
    assert refused.value.place == "model.safetensors.index.json"


@pytest.mark.parametrize("text", ["", "[]", '{"weight_map": 3}', '{"weight_map": {"a": 1}}'])
def test_an_index_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(text)
    with pytest.raises(InvalidError, match="not an index"):
        load(tmp_path)


def test_an_index_names_no_more_than_the_shards_hold(tmp_path: Path) -> None:
    save_file({"a": np.ones(2)}, str(tmp_path / "x.safetensors"))
    write_index(tmp_path, {"a": "x.safetensors", "b": "x.safetensors"})
    with pytest.raises(InvalidError, match="'b'"):
        load(tmp_path)


def test_broken_tensors_are_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(InvalidError, match="cannot be read as safetensors") as refused:
        load(tmp_path)
    assert refused.value.place == "x.safetensors"


def test_numbers_that_numpy_lacks_name_the_extra(tmp_path: Path) -> None:
    header = json.dumps({"a": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}).encode()
    (tmp_path / "x.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"\0\0")
    if extras.is_installed("torch"):
        assert load(tmp_path)["a"].shape == (1,)
        return
    with pytest.raises(UnsupportedError) as refused:
        load(tmp_path)
    assert refused.value.hint == "pip install 'stemma-ml[torch]'"


class Bomb:
    """Tells when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return (pytest.fail, ("unpickled without trust",))


@pytest.mark.parametrize("name", ["m.pkl", "m.pickle", "M.JOBLIB", "pytorch_model.bin", "m.pt", "m.ckpt"])
def test_a_pickle_is_read_with_trust_only(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(RefusedError, match="a pickle") as refused:
        load(tmp_path)
    assert refused.value.place == name


def test_a_torch_archive_is_a_pickle(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.pt", "w") as archive:
        archive.writestr("m/data.pkl", pickle.dumps(Bomb()))
    with pytest.raises(RefusedError):
        load(tmp_path)


def test_trust_reads_a_pickle(tmp_path: Path) -> None:
    joblib.dump(fitted("logistic"), tmp_path / "model.joblib")
    assert np.array_equal(load(tmp_path, trust=True).predict(TABLE), fitted("logistic").predict(TABLE))
    (tmp_path / "model.joblib").write_bytes(b"\x80\x04broken")
    with pytest.raises(InvalidError, match="cannot be read"):
        load(tmp_path, trust=True)


@pytest.mark.parametrize(
    ("name", "data"), [("weights.bin", b"plain"), ("a.json", b"{}"), ("m.pt", b""), ("m.bin", b"PK")]
)
def test_other_files_stay_files(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    assert load(tmp_path) == tmp_path


def test_a_safe_file_is_preferred_to_a_pickle(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(Bomb()))
    save_file({"a": np.ones(1)}, str(tmp_path / "model.safetensors"))
    assert load(tmp_path)["a"].tolist() == [1]


def test_several_models_are_listed(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("a.safetensors", "sub/b.skops"):
        (tmp_path / name).touch()
    with pytest.raises(InvalidError, match=r"2 files .*'a.safetensors', 'sub/b.skops'") as refused:
        load(tmp_path)
    assert "stemma.path('me/model@1.0.0')" in refused.value.hint


@pytest.mark.parametrize(("name", "extra"), [("m.onnx", "onnx")])
def test_a_missing_library_names_its_extra(tmp_path: Path, name: str, extra: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(StemmaError) as refused:
        load(tmp_path)
    if extras.is_installed(extra):
        assert isinstance(refused.value, InvalidError)
    else:
        assert isinstance(refused.value, UnsupportedError)
        assert refused.value.hint == f"pip install 'stemma-ml[{extra}]'"


def test_a_model_goes_through_a_repository(tmp_path: Path) -> None:
    model = fitted("boosting")
    with Repository.init(tmp_path / "work") as repository:
        first = repository.push("bank/loans", model, message="First")
        again = repository.push("bank/loans", fitted("boosting"), message="Again", if_changed=True)
        loaded: Any = repository.load("bank/loans")
    assert first.changed
    assert not again.changed
    assert np.array_equal(loaded.predict_proba(TABLE), model.predict_proba(TABLE))
