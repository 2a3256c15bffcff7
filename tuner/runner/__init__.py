from tuner.runner.run import run, run_study

__all__ = ["run", "run_study"]
