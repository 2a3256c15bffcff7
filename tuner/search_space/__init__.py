from tuner.search_space.axes import Axis, Categorical, Constant, Float, Int
from tuner.search_space.space import SearchSpace

__all__ = ["Axis", "Categorical", "Constant", "Float", "Int", "SearchSpace"]
