from tuner.cli.app import app, main, run_command

__all__ = ["app", "main", "run_command"]
