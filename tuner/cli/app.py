"""The command line, `python -m tuner`: one line and exit 2 for whatever a user can mend."""

from __future__ import annotations

import signal
import sys

import typer

from tuner.cli import cluster
from tuner.cli.flags import flags_of, in_flags
from tuner.cli.output import Terminated
from tuner.cli.run import run
from tuner.cli.studies import COMMANDS
from tuner.errors import TunerError
from tuner.shown import shown

app = typer.Typer(
    name="tuner",
    help="Hyperparameter search for Keras: Ray runs the trials, Optuna proposes them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("run")(run)
for name, command in {**COMMANDS, **cluster.COMMANDS}.items():
    passes_on = cluster.PASSES_ON if name == "submit" else {}
    app.command(name, context_settings=passes_on)(command)


def main() -> None:
    """Run the command line and exit: 0 fine, 1 failed cells, 2 a mistake, 130 Ctrl-C."""
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: list[str]) -> int:
    """Run one command line; its exit code."""
    Terminated.came = False
    signal.signal(signal.SIGTERM, _terminate)
    try:
        code = app(arguments, standalone_mode=False)
    except TunerError as error:
        flags = flags_of(app, arguments[0] if arguments else None)
        return _complain(in_flags(error, flags), getattr(error, "__notes__", []))
    except typer.exceptions.TyperException as error:
        return _complain(error.format_message(), [])
    except typer.Abort:
        return 130
    return code if isinstance(code, int) else 0


def _complain(message: str, notes: list[str]) -> int:
    print("tuner: " + shown(" ".join(message.split()), keep=""), file=sys.stderr)
    for note in notes:
        print(shown(note), file=sys.stderr)
    return 2


def _terminate(signum: int, frame: object) -> None:
    Terminated.came = True
    raise Terminated
