"""The form of a model's targets: what its own loss wants, never what dtype the labels had.

| loss | targets | predictions |
| --- | --- | --- |
| sparse_... | class numbers, (samples,) | the likeliest of the outputs |
| one output and two classes | 0.0 and 1.0, (samples, 1) | above the half (hinge: above 0) |
| an output a class | one-hot rows | the likeliest of the outputs |
| several labels a sample | as given, float32 | above the half, each |
| a regression | as given; (samples,) as a column | as given |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from tuner.data.targets import is_one_hot
from tuner.errors import ExperimentError

REGRESSIONS = ("squared", "absolute", "mse", "mae", "mape", "msle", "huber", "cosh", "cosine")
"""Parts of the names of losses that are a regression's."""
CLASSIFICATIONS = ("crossentropy", "hinge", "focal", "dice", "tversky", "ctc")


@dataclass(frozen=True)
class Labels:
    """Targets of a classifier. `kind` is "labels", "one_hot" or "several" (labels a sample).

    `classes` are those labels, or the numbers of the columns; `rows` is what `build_model` sees as
    y, float32 of shape (samples, classes).
    """

    kind: str
    classes: Any
    rows: Any

    @property
    def codes(self) -> Any:
        """Class numbers, (samples,)."""
        return self.rows.argmax(axis=1)


def checked_pair(X: Any, y: Any, *, y_numeric: bool = False) -> tuple[Any, Any]:
    """X and y as arrays of finite values and of one length, each of any shape."""
    y = checked_y(y, numeric=y_numeric)
    x = check_array(X, dtype="numeric", allow_nd=True, input_name="X")
    check_consistent_length(x, y)
    return x, y


def checked_y(y: Any, *, numeric: bool = False) -> Any:
    """Targets as an array without NaN; `numeric` makes numbers of objects. ValueError says why."""
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    y = check_array(y, dtype=None, ensure_2d=False, allow_nd=True, input_name="y")
    return y.astype(np.float64) if numeric and y.dtype.kind == "O" else y


def labels_of(y: Any) -> Labels:
    """y of a classifier: labels of any dtype, one-hot rows, or several labels a sample."""
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] > 1:
        if type_of_target(y) != "multilabel-indicator":
            check_classification_targets(y)
            raise ExperimentError(
                f"y has shape {y.shape} and more values than 0 and 1; give a classifier labels, "
                "one-hot rows, or a 0 or 1 for each of several labels"
            )
        kind = "one_hot" if is_one_hot(y) else "several"
        return Labels(kind, np.arange(y.shape[1]), y.astype(np.float32))
    check_classification_targets(y)
    classes, codes = np.unique(y, return_inverse=True)
    return Labels("labels", classes, np.eye(len(classes), dtype=np.float32)[codes.reshape(-1)])


def labels_like(known: Labels, y: Any) -> Labels:
    """Other targets of the same classifier, a validation part's say, in its classes' numbers.

    Raises ExperimentError for a label that the classifier's own lack.
    """
    y = np.asarray(y)
    if known.kind != "labels" or (y.ndim == 2 and y.shape[1] == len(known.classes) > 1):
        return Labels(known.kind, known.classes, y.astype(np.float32))
    numbers = {label: number for number, label in enumerate(known.classes.tolist())}
    given = y.reshape(-1).tolist()
    if not set(given) <= set(numbers) and set(given) <= set(range(len(numbers))):
        codes = [int(number) for number in given]  # class numbers, as class_weight may have them
    else:
        unknown = sorted(set(given) - set(numbers), key=str)
        if unknown:
            raise ExperimentError(
                f"it has the label {unknown[0]!r}, which y lacks", field="validation_data"
            )
        codes = [numbers[label] for label in given]
    return Labels(known.kind, known.classes, np.eye(len(known.classes), dtype=np.float32)[codes])


def loss_name(model: Any) -> str:
    """The name of a compiled model's loss, lower case; empty for one without a name."""
    loss = model.loss
    if isinstance(loss, dict | list | tuple):
        raise ExperimentError(
            f"build_model gives its model {len(loss)} losses, and a search scores one output; "
            "search such a model by tuner.run, with a training function"
        )
    name = loss if isinstance(loss, str) else getattr(loss, "name", None)
    return str(name or getattr(loss, "__name__", "")).lower()


def targets_for(model: Any, labels: Labels) -> Any:
    """What the compiled model's loss wants of these labels."""
    name, width = loss_name(model), _width(model)
    if labels.kind == "several":
        return labels.rows
    if "sparse" in name:
        return labels.codes
    if width == 1 and len(labels.classes) == 2:
        return labels.codes[:, None].astype(np.float32)
    if width is not None and width < len(labels.classes) and "crossentropy" in name:
        raise ExperimentError(
            f"the model has {width} outputs and y {len(labels.classes)} classes; give it as many: "
            "Dense(y.shape[1])"
        )
    return labels.rows


def chances_of(model: Any, outputs: Any, labels: int, kind: str) -> Any:
    """A model's outputs as (samples, labels), one column a class, each above 0 and below 1.

    Logits become probabilities, and of two classes a single output is that of the second.
    """
    from scipy.special import expit, softmax

    outputs = np.asarray(outputs)
    single = outputs.ndim == 2 and outputs.shape[1] == 1 and labels == 2
    if getattr(model.loss, "from_logits", False):
        independent = single or kind == "several" or "binary" in loss_name(model)
        outputs = expit(outputs) if independent else softmax(outputs, axis=-1)
    if single:
        if "hinge" in loss_name(model):  # from -1 to 1
            outputs = (outputs + 1) / 2
        return np.hstack([1 - outputs, outputs])
    return outputs


def task_by(model: Any | None, y: Any) -> str:
    """classifier or regressor: by a model's loss, or where that tells nothing by y's values."""
    kind = type_of_target(y)
    if kind.startswith("continuous"):
        return "regressor"
    name = "" if model is None else loss_name(model)
    if np.asarray(y).dtype.kind in "buif":
        if any(part in name for part in CLASSIFICATIONS):
            return "classifier"
        if any(part in name for part in REGRESSIONS):
            return "regressor"
    return "regressor" if kind == "multiclass-multioutput" else "classifier"


def class_weights(given: Any, labels: Labels) -> dict[int, float] | None:
    """Keras' weights by class number: "balanced", or weights by the user's labels or by number."""
    if given is None:
        return None
    if labels.kind == "several":
        raise ExperimentError(
            "class_weight weighs classes that exclude one another, and y has several labels a "
            "sample; weigh samples by sample_weight"
        )
    if isinstance(given, str):
        from sklearn.utils.class_weight import compute_class_weight

        numbers = np.arange(len(labels.classes))
        weights = compute_class_weight(given, classes=numbers, y=labels.codes)
        return dict(zip(numbers.tolist(), weights.tolist(), strict=True))
    if not hasattr(given, "items"):
        raise ExperimentError(
            f"class_weight is {given!r:.200}; give 'balanced' or a dict, {{label: weight}}"
        )
    known = labels.classes.tolist()
    if set(given) <= set(known):
        return {known.index(label): float(weight) for label, weight in given.items()}
    if set(given) <= set(range(len(known))):
        return {int(number): float(weight) for number, weight in given.items()}
    unknown = sorted(set(given) - set(known), key=str)[0]
    raise ExperimentError(
        f"class_weight names {unknown!r}, which is not one of the classes {known}"
    )


def _width(model: Any) -> int | None:
    """How many outputs a model has; None where it does not tell."""
    outputs: list[Any] = list(getattr(model, "outputs", None) or ())
    if len(outputs) > 1:
        raise ExperimentError(
            f"build_model gives its model {len(outputs)} outputs, and a search scores one; search "
            "such a model by tuner.run, with a training function"
        )
    shape = outputs[0].shape if len(outputs) else getattr(model, "output_shape", None)
    return None if not shape or shape[-1] is None else int(shape[-1])
