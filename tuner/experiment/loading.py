"""Finding an experiment: by name, by file, or by module and attribute.

    load("lr_momentum")            search_spaces/lr_momentum.py
    load("./mine.py")              a file anywhere; its sibling imports and globals work
    load("package.module:SEARCH")  an attribute of a module that Python can import

What is loaded travels to the workers as a `Source`, which says where it came from; each worker
loads it again with `load_source`.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from tuner.errors import ExperimentError, StudyError, TunerError
from tuner.experiment.experiment import Experiment
from tuner.experiment.imports import folder_of, import_ours, theirs_first
from tuner.import_lines import without_import_lines
from tuner.tracebacks import failure_text

PACKAGE = "search_spaces"
ATTRIBUTE = "EXPERIMENT"
DATA = "DATA"


OWN_LOOP = "own loop"
"""The engine of a study whose trials a loop of its caller's trains (`tuner.Study`)."""


def check_trained_here(engine: str, what: str) -> None:
    """Raises StudyError where a loop of their caller's trained a study's trials, and it alone can
    do, or has, `what` is asked for."""
    if engine == OWN_LOOP:
        raise StudyError(
            f"a loop of their caller's trained the trials of this study, and it alone {what}",
            way_out="train there with the parameters that `results.best.params` holds",
        )


@dataclass(frozen=True)
class Source:
    """Where an experiment came from; plain strings, kept in study.json.

    `kind` is "module" (`where` is its dotted name), "file" (`where` is its absolute path), or
    "object": an Experiment made in memory, which travels by value (`where` is its module).
    """

    kind: str
    where: str
    attribute: str = ATTRIBUTE


@dataclass(frozen=True)
class Loaded:
    """An experiment, its source, and `DATA`: the function in its file that makes its dataset."""

    experiment: Experiment
    source: Source
    data: Callable[[], Any] | None = None


def load(reference: str) -> Loaded:
    """The experiment that `reference` names: NAME, FILE (ending in .py) or MODULE:ATTRIBUTE.

    Raises ExperimentError in one line; a failing import carries its traceback, shortened to the
    user's lines, as a note.
    """
    if reference.endswith(".py"):
        source = Source("file", str(Path(reference).expanduser().resolve()))
    elif ":" in reference:
        where, _, attribute = reference.partition(":")
        source = Source("module", where, attribute)
    else:
        _check_known(reference)
        source = Source("module", f"{PACKAGE}.{reference}")
    module = _module(source)
    experiment = _experiment(module, source)
    data = getattr(module, DATA, None)
    if data is not None and not callable(data):
        raise ExperimentError(f"{DATA} in {source.where} is {data!r}; make it a function")
    return Loaded(experiment, source, data)


def load_source(source: Source) -> Experiment:
    """The experiment at `source`, as a worker loads it. Raises ExperimentError."""
    return _experiment(_module(source), source)


def digest(source: Source) -> str:
    """The SHA-256 of the file that an experiment came from, found without running anything; ""
    if there is no such file."""
    file = Path(source.where)
    if source.kind == "object":
        return ""
    if source.kind == "module":
        module = sys.modules.get(source.where)
        file = Path(getattr(module, "__file__", None) or "")
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""


def known() -> dict[str, str]:
    """The experiments in search_spaces/ with the first line of their docstring, not imported."""
    found = {}
    for path in sorted(_package_folder().glob("[!_]*.py")):
        tree = ast.parse(path.read_bytes(), filename=str(path))
        if any(ATTRIBUTE in _assigned(statement) for statement in tree.body):
            found[path.stem] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return found


def _package_folder() -> Path:
    folder = folder_of(PACKAGE)
    if folder is None:
        raise ExperimentError(f"package {PACKAGE!r} is not installed", way_out="run `make setup`")
    return folder


def _assigned(statement: ast.stmt) -> set[str]:
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _check_known(name: str) -> None:
    names = list(known())
    if name in names:
        return
    file = Path(f"{name}.py")
    close = difflib.get_close_matches(name, names, n=1)
    if file.is_file():
        hint = f"did you mean the file ./{file}?"
    elif close:
        hint = f"did you mean {close[0]!r}? known: {', '.join(names)}"
    else:
        hint = f"known: {', '.join(names)}; or give a FILE.py or MODULE:ATTRIBUTE"
    raise ExperimentError(f"no experiment is called {name!r}; {hint}")


def _experiment(module: ModuleType, source: Source) -> Experiment:
    try:
        experiment = getattr(module, source.attribute)
    except AttributeError:
        raise ExperimentError(
            f"{source.where} has no {source.attribute}; "
            f"let it end in {source.attribute} = Experiment(...)"
        ) from None
    if not isinstance(experiment, Experiment):
        raise ExperimentError(
            f"{source.attribute} in {source.where} is of type {type(experiment).__name__}; "
            "it must be an Experiment"
        )
    if experiment.description or not module.__doc__:
        return experiment
    return replace(experiment, description=module.__doc__.strip().partition("\n")[0])


def _module(source: Source) -> ModuleType:
    if source.kind == "file":
        return _import_file(Path(source.where))
    if source.kind != "module":
        raise ExperimentError(
            f"the experiment was made in memory by {source.where}; run that program again"
        )
    # As `python -m` does, which the installed script does not.
    if str(Path.cwd()) not in sys.path and "" not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        if source.where.startswith(f"{PACKAGE}."):
            return import_ours(source.where)
        with without_import_lines():
            # runs code: the user's module
            return importlib.import_module(source.where)
    except ModuleNotFoundError as error:
        if error.name and f"{source.where}.".startswith(f"{error.name}."):
            raise ExperimentError(
                f"no module is called {error.name!r}; is it installed, or in this folder?"
            ) from None
        raise _import_error(source.where, error) from error
    except TunerError:
        raise
    except (Exception, SystemExit) as error:  # whatever a user's file raises
        raise _import_error(source.where, error) from error


def _import_file(path: Path) -> ModuleType:
    """The module of a file, under a name that is the same in every process of this path."""
    if not path.is_file():
        raise ExperimentError(f"no file {path}; check the path")
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    name = f"tuner_file_{path.stem}_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ExperimentError(f"{path} cannot be imported as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # pickle and dataclasses look their module up while it loads
    try:
        with theirs_first(path.parent), without_import_lines():
            # runs code: the user's file
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # whatever a user's file raises
        del sys.modules[name]
        if isinstance(error, TunerError):
            raise
        raise _import_error(str(path), error) from error
    return module


def _import_error(where: str, error: BaseException) -> ExperimentError:
    """One line, with the traceback of the user's own lines as a note."""
    text = (str(error).strip() or "no reason was given").splitlines()[0]
    refused = ExperimentError(f"{where} cannot be imported: {type(error).__name__}: {text}")
    refused.add_note(failure_text(error))
    return refused
