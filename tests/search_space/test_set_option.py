"""--set narrows or fixes axes, and drops those that can exist no more."""

from __future__ import annotations

import pytest

from tuner.errors import SearchSpaceError
from tuner.search_space.axes import Categorical, Constant, Float, Int
from tuner.search_space.set_option import set_axes
from tuner.search_space.space import SearchSpace

SPACE = SearchSpace(
    {
        "rate": Float(1e-4, 1.0, log=True, grid=[1e-3, 1e-2, 1e-1]),
        "batch": Int(16, 256, log=True),
        "kind": Categorical(["sgd", "adam", None, True]),
        "momentum": Float(0.0, 0.99, when={"kind": "sgd"}),
        "beta": Float(0.8, 0.99, when={"kind": ["adam", None]}),
        "hidden": 64,
    }
)


def test_a_range_narrows_an_axis_and_its_grid() -> None:
    axis = set_axes(SPACE, ["rate=0.005..0.5"])["rate"]
    assert axis == Float(0.005, 0.5, log=True, grid=[1e-2, 1e-1])
    assert set_axes(SPACE, ["batch=32..64"])["batch"] == Int(32, 64, log=True)


def test_values_make_a_choice_and_one_value_fixes_even_outside_the_axis() -> None:
    space = set_axes(SPACE, ["rate=0.1,5", "batch=512", "hidden=128"])
    assert space["rate"] == Categorical([0.1, 5.0])
    assert space["batch"] == Constant(512)
    assert space["hidden"] == Constant(128)
    assert list(space) == list(SPACE)


@pytest.mark.parametrize(
    ("text", "value"), [("adam", "adam"), ("null", None), ("True", True), ("true", True)]
)
def test_a_choice_is_found_by_its_text(text: str, value: object) -> None:
    assert set_axes(SPACE, [f"kind={text}"])["kind"] == Constant(value)


def test_fixing_an_axis_drops_those_that_can_exist_no_more() -> None:
    space = set_axes(SPACE, ["kind=adam"])
    assert "momentum" not in space
    assert space["beta"].when == {"kind": ["adam"]}
    assert set_axes(SPACE, ["momentum=0.9"])["momentum"].when == {"kind": ["sgd"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("speed=1", r"space: 'speed' names no axis; the axes are: rate, batch"),
        ("rate", r"space: 'rate' is not name=value"),
        ("rate=", r"space: 'rate=' is not name=value"),
        ("kind=z", r"space: kind=z: 'z' is not one of its choices: 'sgd', 'adam', None, True"),
        ("kind=sgd,z", r"space: kind=z: 'z' is not one of its choices"),
        ("kind=7", r"space: kind=7: '7' is not one of its choices"),
        ("rate=fast", r"space: rate=fast: 'fast' is not a number"),
        ("batch=1.5", r"space: batch=1.5: '1.5' is not a whole number"),
        ("rate=0..1", r"space: rate=0\.\.1: the range leaves the axis, which is 0.0001 to 1.0"),
        ("batch=64..32", r"axis 'batch': low 64 is above high 32"),
        ("kind=a..b", r"axis 'kind' has no range; list its values"),
        ("rate=nan", r"axis 'rate': constant nan is not finite"),
    ],
)
def test_a_mistake_names_axis_value_and_rule(text: str, message: str) -> None:
    with pytest.raises(SearchSpaceError, match=message):
        set_axes(SPACE, [text])


def test_a_range_keeps_to_the_steps_of_its_axis() -> None:
    space = SearchSpace(
        {"u": Int(16, 256, step=16, grid=[32, 64]), "x": Float(0, 1, step=0.1, default=0.5)}
    )
    narrowed = set_axes(space, ["u=20..100", "x=0.25..0.75"])
    assert narrowed["u"] == Int(32, 96, step=16, grid=[32, 64])
    assert narrowed["x"] == Float(0.3, 0.7, step=0.1, default=0.5)
    with pytest.raises(SearchSpaceError, match=r"u=20\.\.30: between them the axis has no value"):
        set_axes(space, ["u=20..30"])


def test_a_default_stays_where_the_choice_is_left() -> None:
    space = SearchSpace({"k": Categorical(["a", "b", "c"], default="b")})
    assert set_axes(space, ["k=b,c"])["k"] == Categorical(["b", "c"], default="b")
    assert set_axes(space, ["k=a,c"])["k"] == Categorical(["a", "c"])


def test_a_whole_number_may_have_an_exponent() -> None:
    assert set_axes(SPACE, ["batch=1e2"])["batch"] == Constant(100)
    with pytest.raises(SearchSpaceError, match="'1e-2' is not a whole number"):
        set_axes(SPACE, ["batch=1e-2"])


def test_an_axis_is_given_once() -> None:
    with pytest.raises(SearchSpaceError, match="'rate' is given twice, the second time as 'rate=1"):
        set_axes(SPACE, ["rate=0.1", "rate=1"])
