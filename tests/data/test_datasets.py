from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tuner.data.dataset import fingerprint_of
from tuner.data.datasets import Dataset, from_arrays, load
from tuner.data.splits import Splits, cell_data, cell_rows
from tuner.data.targets import strata
from tuner.errors import DatasetError

RNG = np.random.default_rng(0)
CV: dict[str, Any] = {"mode": "cv", "folds": 3}


def arrays(**changes: Any) -> dict[str, Any]:
    made = {
        "x_train": RNG.integers(0, 256, (12, 4, 4), dtype=np.uint8),
        "y_train": np.arange(12) % 3,
        "x_test": RNG.integers(0, 256, (6, 4, 4), dtype=np.uint8),
        "y_test": np.arange(6) % 3,
    }
    return {**made, **changes}


def frame(rows: int, columns: str) -> pd.DataFrame:
    return pd.DataFrame(np.ones((rows, len(columns))), columns=list(columns))


def saved(path: Path, **changes: Any) -> str:
    given = {key: value for key, value in arrays(**changes).items() if value is not None}
    np.savez(path / "own.npz", **given)
    return str(path / "own.npz")


def test_digits_are_scaled_images_with_a_fixed_test_part() -> None:
    digits = load("digits")
    assert digits.x_train.shape == (1437, 8, 8)
    assert digits.x_test.shape == (360, 8, 8)
    assert digits.x_train.dtype == np.float32
    assert digits.y_train.dtype == np.int64
    assert (digits.x_train.min(), digits.x_train.max()) == (0.0, 1.0)
    assert digits.n_classes == 10
    assert digits.fingerprint == load("digits").fingerprint == "3a4bf0797cd5449f"
    shares = np.bincount(digits.y_test) / np.bincount(digits.y_train)
    assert shares == pytest.approx(np.full(10, 0.25), abs=0.01)


def test_npz_in_keras_layout_is_named_and_keeps_its_values(tmp_path: Path) -> None:
    path = saved(tmp_path)
    dataset = load(path)
    assert dataset.name == path
    assert dataset.x_train.dtype == np.uint8
    assert dataset.x_train.shape == (12, 4, 4)
    assert dataset.done == ("x uint8 as given, 0 to 255; scale=255 divides",)
    assert dataset.y_train.tolist() == [0, 1, 2] * 4
    assert dataset.n_classes == 3


@pytest.mark.parametrize("name", ["mnist.npz", "fashion_mnist.npz", "own_MNIST.npz"])
def test_images_of_mnist_kind_are_scaled_by_name(tmp_path: Path, name: str) -> None:
    given = arrays()
    np.savez(tmp_path / name, **given)
    dataset = load(str(tmp_path / name))
    np.testing.assert_array_equal(
        dataset.x_train, np.divide(given["x_train"], 255, dtype=np.float32)
    )
    assert dataset.done == ("x divided by 255, as float32",)


def test_scale_divides_where_it_is_given(tmp_path: Path) -> None:
    made = arrays()
    dataset = from_arrays("own", **made, scale=51)
    np.testing.assert_array_equal(dataset.x_test, np.divide(made["x_test"], 51, dtype=np.float32))
    np.savez(tmp_path / "own.npz", **made, scale=51)
    np.testing.assert_array_equal(load(str(tmp_path / "own.npz")).x_test, dataset.x_test)
    np.testing.assert_array_equal(load(lambda: {**made, "scale": 51}).x_test, dataset.x_test)
    with pytest.raises(DatasetError, match="scale 0 must be a number above 0"):
        from_arrays("own", **made, scale=0)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, bool])
def test_whole_numbers_in_x_stay_what_they_are(dtype: Any) -> None:
    x = RNG.integers(0, 50, (12, 8)).astype(dtype)
    dataset = from_arrays("own", **arrays(x_train=x, x_test=x[:6]))
    np.testing.assert_array_equal(dataset.x_train, x)
    assert dataset.x_train.dtype == dtype
    assert dataset.done == ()


def test_floats_keep_their_values() -> None:
    x = RNG.normal(size=(12, 5)) * 300
    dataset = from_arrays("own", **arrays(x_train=x, x_test=x[:6].astype(np.int32)))
    np.testing.assert_array_equal(dataset.x_train, x.astype(np.float32))
    np.testing.assert_array_equal(dataset.x_test, x[:6].astype(np.int32).astype(np.float32))
    assert dataset.done == ("x float64 and int32 as float32",)


@pytest.mark.parametrize(
    "labels",
    [
        np.array([0, 1, 2] * 4, np.uint8),
        np.array([[0], [1], [2]] * 4),
        np.eye(3, dtype=np.float32)[[0, 1, 2] * 4],
        np.eye(3, dtype=np.int64)[[0, 1, 2] * 4],
        np.array([0.0, 1.0, 2.0] * 4),
        np.array([[0.0], [1.0], [2.0]] * 4),
    ],
    ids=["uint8", "column", "one-hot floats", "one-hot integers", "floats", "column of floats"],
)
def test_labels_keep_shape_and_values_and_are_stratified(labels: Any) -> None:
    dataset = from_arrays("own", **arrays(y_train=labels, y_test=labels[:6]))
    np.testing.assert_array_equal(dataset.y_train, labels)
    assert dataset.y_train.shape == labels.shape
    assert dataset.n_classes == 3
    assert strata(dataset.y_train).tolist() == [0, 1, 2] * 4
    for fold in range(3):
        _, val = cell_rows(dataset, Splits(**CV), fold)
        assert np.bincount(strata(dataset.y_train)[val]).tolist() in (
            [1, 1, 2],
            [1, 2, 1],
            [2, 1, 1],
        )


@pytest.mark.parametrize("labels", [["no", "yes", "maybe"], [b"no", b"yes", b"maybe"]])
@pytest.mark.parametrize("dtype", [None, object])
def test_texts_become_class_numbers_and_back(labels: Any, dtype: Any) -> None:
    y = np.array(labels * 4, dtype)
    if dtype is object and isinstance(labels[0], bytes):
        y = y.astype("S")
    dataset = from_arrays("own", **arrays(y_train=y, y_test=y[:6]))
    assert dataset.classes == ("maybe", "no", "yes")
    assert dataset.y_train.tolist() == [1, 2, 0] * 4
    assert dataset.label(dataset.y_test).tolist() == ["no", "yes", "maybe"] * 2
    assert dataset.done == ("y texts as class numbers 0 to 2: maybe, no, yes",) or (
        dataset.done[-1] == "y texts as class numbers 0 to 2: maybe, no, yes"
    )
    assert cell_data(dataset, Splits(**CV)).classes == dataset.classes


def test_whole_numbers_are_a_regression_where_the_task_says_so() -> None:
    y = np.array([3, 7, 1, 9, 4, 11, 25, 14, 17, 100, 5, 6])
    dataset = from_arrays("own", **arrays(y_train=y, y_test=y[:6] + 1), task="regression")
    assert dataset.n_classes is None
    np.testing.assert_array_equal(dataset.y_train, y.astype(np.float32))
    with pytest.raises(DatasetError, match="or the targets of a regression, by task='regression'"):
        from_arrays("own", **arrays(y_train=y, y_test=y[:6]))
    with pytest.raises(DatasetError, match="task 'guess' is not one of classes, regression"):
        from_arrays("own", **arrays(), task="guess")


@pytest.mark.parametrize("shape", [(12,), (12, 1), (12, 3)])
def test_targets_of_a_regression_keep_their_shape(shape: Any) -> None:
    y = RNG.normal(size=shape)
    dataset = from_arrays("own", **arrays(y_train=y, y_test=y[:6]))
    np.testing.assert_array_equal(dataset.y_train, y.astype(np.float32))
    assert dataset.n_classes is None


def test_several_labels_a_sample_stay_as_they_are() -> None:
    y = RNG.integers(0, 2, (12, 4))
    y[0] = 1
    dataset = from_arrays("own", **arrays(y_train=y, y_test=y[:6]))
    np.testing.assert_array_equal(dataset.y_train, y)
    assert dataset.n_classes is None
    assert dataset.done[-1] == "y of shape (4,) as given, not stratified"


def test_tables_of_pandas_and_sparse_matrices_are_taken() -> None:
    import pandas as pd
    from scipy import sparse

    x = RNG.integers(0, 5, (12, 3)).astype(np.float32)
    frame = pd.DataFrame(x, columns=["a", "b", "c"])
    labels = pd.Series(["p", "q"] * 6, dtype="category")
    dataset = from_arrays("own", frame, labels, frame[:6], labels[:6])
    np.testing.assert_array_equal(dataset.x_train, x)
    assert dataset.classes == ("p", "q")
    matrix = sparse.csr_matrix(x)
    dataset = from_arrays("own", matrix, labels, matrix[:6], labels[:6])
    np.testing.assert_array_equal(dataset.x_train, x)
    assert "x_train sparse, made dense" in dataset.done
    with pytest.raises(DatasetError, match="x_train has columns that hold no numbers: d"):
        from_arrays("own", frame.assign(d="text"), labels, frame, labels)


class Stream:
    """What tells a tf.data.Dataset, without TensorFlow."""

    element_spec = None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_train": Stream()}, "x_train is a tf.data.Dataset, .* give arrays"),
        (
            {"x_train": {"image": np.zeros((12, 4)), "age": np.zeros((12, 1))}},
            "x_train holds 2 inputs, and a dataset has one array of each; join",
        ),
        ({"x_train": [np.zeros((12, 4)), np.zeros((12, 1))]}, "x_train holds 2 inputs"),
        ({"y_train": {"a": np.zeros(12), "b": np.zeros(12)}}, "y_train holds 2 outputs"),
        ({"sample_weight": np.ones(12)}, "'sample_weight' is not taken beside"),
        ({"class_weight": {0: 1.0}}, "'class_weight' is not taken .* inside a training function"),
        ({"x_val": np.ones(3), "y_val": np.ones(3)}, r"'x_val' is not taken .* by folds=\[\("),
        ({"folds": 5}, r"folds is 5, which holds no pairs of indices; .*KFold"),
        ({"folds": [(np.ones(6, bool), [1])]}, "fold 0 has a mask of 6 values, .* 12 training"),
        ({"scale": np.inf}, "scale inf must be a number above 0"),
        ({"y_train": pd.Series(["a", None] * 6)}, "y_train lacks 6 of its values"),
        ({"y_train": np.full(12, 1e300), "y_test": np.ones(6)}, "y_train holds numbers beyond"),
        ({"y_train": np.full(12, 2**63, np.uint64)}, "y_train holds numbers beyond int64"),
        ({"y_train": np.eye(3)[np.arange(12) % 3], "y_test": np.ones((6, 3))}, "y_test others"),
        ({"y_train": np.ones((12, 2)), "y_test": np.ones((6, 2)), "task": "classes"}, "drop the"),
        (
            {"x_train": frame(12, "ab"), "x_test": frame(6, "ba")},
            r"another order; give x_test\[x_train.columns\]",
        ),
        ({"x_train": frame(12, "ab"), "x_test": frame(6, "ac")}, "column 'c', which x_train lacks"),
    ],
)
def test_what_cannot_be_taken_is_refused_with_the_way_out(changes: Any, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        load(lambda: arrays(**changes))


@pytest.mark.parametrize(
    "made",
    [
        ((np.zeros((4, 2)), np.zeros(4)), (np.zeros((4, 2)), np.zeros(4))),
        {"x_train": np.zeros((4, 2))},
        np.zeros((4, 2)),
        [1, 2],
    ],
)
def test_arrays_in_place_of_a_function_get_a_line(made: Any) -> None:
    with pytest.raises(DatasetError, match=r"of arrays, which .*; give a function that returns it"):
        load(made)


@pytest.mark.parametrize("kind", [int, float])
def test_minus_one_and_one_are_two_classes_as_given(kind: Any) -> None:
    """As a hinge loss has them; a file sorted by its label has both in each fold."""
    x, y = np.zeros((40, 3)), np.repeat([-1, 1], 20).astype(kind)
    dataset = from_arrays("signs", x, y, x[:4], np.array([1, 1, 1, 1]).astype(kind))
    assert dataset.n_classes == 2
    assert set(dataset.y_train.tolist()) == {-1, 1}
    assert strata(dataset.y_test).tolist() == [1, 1, 1, 1]
    for fold in range(2):
        assert cell_data(dataset, Splits(mode="cv", folds=2), fold).y_val.mean() == 0
    with pytest.raises(DatasetError, match=r"y_test holds 0(\.0)?, and y_train is of -1 and 1"):
        from_arrays("signs", x, y, x[:2], np.array([0, 1]).astype(kind))


def test_folds_that_validate_on_what_they_train_on_are_said() -> None:
    rows = np.arange(12)
    dataset = load(lambda: arrays(folds=[(rows[:6], rows[6:]), (rows[:9], rows[6:])]))
    assert "fold 1 trains on 3 of the 6 rows it validates on" in dataset.done


@pytest.mark.parametrize("scale", [np.float32(4), np.int64(4), 4])
def test_a_scale_may_be_numpys(scale: Any) -> None:
    dataset = load(lambda: arrays(x_train=np.full((12, 4, 4), 8.0), scale=scale))
    assert dataset.x_train.max() == 2


def test_masked_values_are_refused() -> None:
    x, y = np.zeros((40, 3)), np.repeat([0, 1], 20)
    masked = np.ma.masked_array(x, mask=np.eye(40, 3, dtype=bool))
    with pytest.raises(DatasetError, match=r"x_train is a masked array of which 3 values"):
        from_arrays("masked", masked, y, x, y)


def test_booleans_are_two_classes() -> None:
    y = np.arange(12) % 2 == 0
    assert from_arrays("own", **arrays(y_train=y, y_test=y[:6])).n_classes == 2


def test_float_targets_are_a_regression() -> None:
    y = RNG.normal(size=12)
    dataset = from_arrays("own", **arrays(y_train=y, y_test=y[:6]))
    assert dataset.n_classes is None
    assert dataset.y_train.dtype == np.float32
    assert dataset.y_train.shape == (12,)


def test_fingerprint_tells_values_shapes_and_dtypes_apart() -> None:
    x = np.zeros((4, 2), np.float32)
    prints = [
        fingerprint_of({"x": x}),
        fingerprint_of({"x": x + 1}),
        fingerprint_of({"x": x.reshape(2, 4)}),
        fingerprint_of({"x": x.astype(np.int32)}),
        fingerprint_of({"y": x}),
    ]
    assert len(set(prints)) == len(prints)
    assert all(len(text) == 16 for text in prints)
    assert fingerprint_of({"x": np.asfortranarray(x)}) == prints[0]


def as_pairs() -> Any:
    made = arrays()
    return (made["x_train"], made["y_train"]), (made["x_test"], made["y_test"])


def as_four() -> Any:
    return tuple(arrays().values())


def as_dict() -> Any:
    return arrays()


def as_dataset() -> Dataset:
    return from_arrays("mine", **arrays())


@pytest.mark.parametrize("function", [as_pairs, as_four, as_dict, as_dataset])
def test_a_function_returns_any_usual_form(function: Any) -> None:
    dataset = load(function)
    assert dataset.name == ("mine" if function is as_dataset else function.__name__)
    assert dataset.x_train.shape == (12, 4, 4)
    assert dataset.n_classes == 3


def test_a_dataset_travels_by_pickle() -> None:
    dataset = pickle.loads(pickle.dumps(as_dataset()))
    np.testing.assert_array_equal(dataset.x_train.shape, (12, 4, 4))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_test": None, "y_test": None}, r"own\.npz: lacks x_test, y_test; Keras' layout has"),
        ({"x_train": np.array([[1], [1, 2]], object)}, "x_train holds Python objects"),
        ({"x_train": np.array([["a"] * 3] * 12)}, "x_train has dtype <U1; it must hold numbers"),
        ({"y_train": np.arange(11) % 3}, "x_train has 12 samples and y_train 11"),
        ({"x_test": np.zeros((0, 4, 4))}, r"x_test is empty, of shape \(0, 4, 4\)"),
        ({"x_train": np.zeros(12)}, r"x_train has shape \(12,\); it must be"),
        ({"x_train": np.full((12, 4, 4), np.nan)}, "x_train holds NaN or infinity"),
        ({"x_train": np.full((12, 4, 4), 1e300)}, "x_train holds numbers beyond float32"),
        ({"x_test": np.zeros((6, 5, 4))}, r"x_test has samples of shape \(5, 4\) and x_train"),
        ({"y_train": np.arange(12) % 3 + 1}, "3 labels from 1 to 3; they must be 0 to 2"),
        ({"y_train": np.arange(12) % 2 * 2}, "2 labels from 0 to 2; they must be 0 to 1"),
        ({"y_train": np.zeros(12, int)}, "y_train holds one class only, 0"),
        ({"y_test": np.arange(6)}, "y_test holds label 3, which y_train lacks"),
        ({"y_test": np.linspace(0, 1, 6)}, "both must be labels, or both numbers"),
        ({"scale": np.array([1, 2])}, r"scale has shape \(2,\); it must be a single value"),
        ({"sample_weight": np.ones(12)}, "'sample_weight' is not read beside .* weigh inside"),
        ({"x_val": np.zeros((6, 4, 4))}, "'x_val' is not read beside .* join both parts"),
    ],
)
def test_a_bad_npz_is_refused_by_key_and_rule(tmp_path: Path, changes: Any, message: str) -> None:
    path = saved(tmp_path, **changes)
    with pytest.raises(DatasetError, match=message) as caught:
        load(path)
    assert path in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut off"])
def test_a_file_that_is_no_npz_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "own.npz"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"own\.npz: is not a readable \.npz") as caught:
        load(str(path))
    assert "\n" not in str(caught.value)


def test_a_single_array_is_no_npz(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros(3))
    with pytest.raises(DatasetError, match=r"x\.npy: is not a readable \.npz; write one"):
        load(str(tmp_path / "x.npy"))
    with pytest.raises(DatasetError, match=r": is a folder; give the path of an \.npz"):
        load(str(tmp_path))


def raises() -> Any:
    raise RuntimeError("the server\nsaid no")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("mnits", "dataset 'mnits' is unknown; take digits, mnist, fashion_mnist, or the path"),
        ("/nowhere/own.npz", "/nowhere/own.npz: no such file"),
        (17, "dataset 17 is neither a name, a path nor a function"),
        (raises, "dataset function raises raised RuntimeError: the server said no"),
        (lambda: [1, 2], "returned list; return a Dataset, a dict with x_train"),
        (lambda: {"x_train": 1}, "returned dict; return a Dataset"),
    ],
)
def test_what_is_no_dataset_is_refused(spec: Any, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        load(spec)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_an_unreachable_download_is_one_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import keras.datasets

    def refuse() -> None:
        print("Downloading data ...")
        raise OSError("URL fetch failure on https://example.invalid:\nno route")

    monkeypatch.setattr(getattr(keras.datasets, name), "load_data", refuse)
    with pytest.raises(
        DatasetError, match=rf"'{name}' cannot be had .*path of your own copy"
    ) as caught:
        load(name)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(
    "TUNER_MNIST" not in os.environ, reason="a real MNIST is not installed: TUNER_MNIST names none"
)
def test_mnist_from_a_file() -> None:
    mnist = load(os.environ["TUNER_MNIST"])
    assert mnist.x_train.shape == (60000, 28, 28)
    assert mnist.x_train.max() == 1.0
    assert mnist.n_classes == 10
