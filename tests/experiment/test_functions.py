"""A plain function as an experiment: where its axes come from, and what it is called with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import pytest

from tests.cells import trial
from tuner.errors import ExperimentError
from tuner.experiment.functions import experiment_of
from tuner.search_space.axes import Categorical, Constant, Float, Int

if TYPE_CHECKING:
    import collections.abc as checked

    from tuner.trial.trial import Trial

Rate = Annotated[float, Float(1e-4, 1.0, log=True)]


def of_parameters(rate: Rate = 0.01, units: Annotated[int, Int(1, 9)] = 3, epochs: int = 4) -> Any:
    return rate, units, epochs


def of_both(trial: Any, rate: Rate) -> Any:
    return trial.number, rate


def of_the_trial(anything: Any) -> Any:
    return anything["rate"]


def on_no_axis(rate: Rate, units: int) -> Any:
    return rate, units


def test_annotations_are_the_space_and_defaults_are_tried_first() -> None:
    made = experiment_of(of_parameters, metric="loss")
    assert made.name == "of_parameters"
    assert dict(made.space) == {
        "rate": Float(1e-4, 1.0, log=True, default=0.01),
        "units": Int(1, 9, default=3),
        "epochs": Constant(4),
    }
    assert made.objective(trial({"rate": 0.5, "units": 2, "epochs": 4})) == (0.5, 2, 4)  # type: ignore[operator]


def test_a_given_space_stands_before_annotations() -> None:
    given = {"rate": Categorical([0.1, 0.2]), "units": 5}
    made = experiment_of(of_parameters, given)
    assert made.space["rate"] == Categorical([0.1, 0.2])
    assert made.space["units"] == Constant(5)


def test_an_argument_trial_is_given_the_trial() -> None:
    assert experiment_of(of_both).objective(trial({"rate": 0.5})) == (0, 0.5)  # type: ignore[operator]


def of_the_rest(trial: Any, rate: Rate, *none: Any, **rest: Any) -> Any:
    return trial.number, rate, none, rest


def test_the_rest_has_what_no_other_argument_has() -> None:
    made = experiment_of(of_the_rest, {"units": Int(1, 9)})
    assert list(made.space) == ["rate", "units"]
    given = trial({"rate": 0.5, "units": 3})
    assert made.objective(given) == (0, 0.5, (), {"units": 3})  # type: ignore[operator]
    nothing = experiment_of(lambda trial, *none: none, {"x": Float(0.0, 1.0)})
    assert nothing.objective(trial({"x": 0.5})) == ()  # type: ignore[operator]
    alone = experiment_of(lambda **rest: rest, {"x": Float(0.0, 1.0)})
    assert alone.objective(trial({"x": 0.5})) == {"x": 0.5}  # type: ignore[operator]


def test_a_function_of_one_argument_is_given_the_trial() -> None:
    made = experiment_of(of_the_trial, {"rate": Float(0.0, 1.0)})
    assert made.objective is of_the_trial


def test_a_lambda_has_a_name_for_its_folder() -> None:
    assert experiment_of(lambda trial: trial["x"], {"x": Float(0.0, 1.0)}).name == "search"


def test_an_argument_on_no_axis_is_refused() -> None:
    with pytest.raises(ExperimentError, match="'units' of on_no_axis is on no axis"):
        experiment_of(on_no_axis)


def test_an_annotation_that_cannot_be_read_is_refused() -> None:
    Local = Annotated[float, Float(0.0, 1.0)]

    def local(rate: Local) -> float:
        return rate

    with pytest.raises(ExperimentError, match="'rate' of local cannot be read: 'Local' is not"):
        experiment_of(local)


def of_names_of_a_type_checker(
    trial: Trial | None,
    rate: Rate,
    units: checked.Sized = 3,  # type: ignore[assignment]
) -> checked.Sequence[Any]:
    return rate, units


def test_what_only_a_type_checker_knows_need_not_be_read() -> None:
    made = experiment_of(of_names_of_a_type_checker, {"units": Int(1, 9)})
    assert dict(made.space) == {"rate": Float(1e-4, 1.0, log=True), "units": Int(1, 9)}
    with pytest.raises(ExperimentError, match="'units' of of_names_of_a_type_checker cannot be"):
        experiment_of(of_names_of_a_type_checker)


def test_the_only_argument_beside_a_space_may_have_any_annotation() -> None:
    def train(anything: Trial) -> None:
        """Nothing."""

    assert experiment_of(train, {"rate": Float(0.0, 1.0)}).objective is train
