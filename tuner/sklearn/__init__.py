from tuner.sklearn.search import TunerSearchCV

__all__ = ["TunerSearchCV"]
