"""A study's refitted model as files: model.keras, and what `tuner export` makes of it.

Models are loaded with Keras' safe mode on: one that carries code of its own (a Lambda layer) is
refused.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.errors import ExperimentError, ResultsError, StudyError
from tuner.experiment.loading import load_source
from tuner.experiment.trust import Ask, check_trust
from tuner.files import put_bytes
from tuner.import_lines import without_import_lines
from tuner.store.layout import MODEL_FILE
from tuner.store.study_json import StudyFile

if TYPE_CHECKING:
    import keras

JSON_FILE = "model.json"
WEIGHTS_FILE = "model.weights.h5"
FORMATS = ("keras", "json+h5")


def export(
    path: str | Path,
    format: str = "keras",
    out: str | Path | None = None,
    *,
    trust: bool = False,
    ask: Ask | None = None,
) -> list[Path]:
    """Write the refitted model of a study's folder into `out`, or into the folder; the files.

    "keras" is one file, model.keras; "json+h5" is model.json, the architecture, beside
    model.weights.h5. The study's experiment is imported, for layers of its own: outside of the
    current project with `trust` alone, or if `ask` says yes. Raises StudyError where there is no
    refit, or Keras' safe mode refuses it.
    """
    if format not in FORMATS:
        raise StudyError(f"{format!r} is not one of {', '.join(FORMATS)}", field="format")
    study = Path(path)
    folder = study if out is None else Path(out)
    model = load_model(study, trust=trust, ask=ask)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if format == "keras":
            if folder.resolve() != study.resolve():
                shutil.copyfile(study / MODEL_FILE, folder / MODEL_FILE)
            return [folder / MODEL_FILE]
        put_bytes(folder / JSON_FILE, model.to_json(indent=2).encode())
        _put(folder / WEIGHTS_FILE, model.save_weights)
    except OSError as error:
        raise ResultsError(f"{folder} cannot be written ({error.strerror or error})") from None
    return [folder / JSON_FILE, folder / WEIGHTS_FILE]


def save_model(study: Path, model: keras.Model) -> None:
    """Write a study's model.keras. Raises StudyError where Keras cannot."""
    try:
        _put(study / MODEL_FILE, model.save)
    except (NotImplementedError, TypeError, ValueError) as error:
        raise StudyError(f"Keras cannot save the model: {_first_line(error)}") from error


def load_model(study: Path, *, trust: bool = False, ask: Ask | None = None) -> keras.Model:
    """A study's refitted model, not compiled. Raises StudyError if safe mode refuses it."""
    source = StudyFile.read(study).source
    file = study / MODEL_FILE
    if not file.is_file():
        raise StudyError(f"{study} holds no {MODEL_FILE} yet; run `tuner refit {study}` first")
    check_trust(source, study, trust=trust, ask=ask)
    import_quietly()
    import keras

    if source.kind != "object":
        # Only a model with layers of its own needs the file that registers them.
        with contextlib.suppress(ExperimentError):
            load_source(source)
    try:
        # runs code: no code of the model's: safe mode refuses it
        return keras.saving.load_model(file, compile=False, safe_mode=True)
    except (OSError, TypeError, ValueError) as error:
        raise StudyError(f"{file} cannot be loaded: {_first_line(error)}") from error


def import_quietly() -> None:
    """Import Keras and TensorFlow without the lines that their start prints."""
    with without_import_lines():
        import keras  # noqa: F401


def _put(path: Path, save: Callable[[str], None]) -> None:
    """Let Keras save a file whole, under a hidden name that ends as it wants."""
    hidden = path.with_name(f".{os.getpid()}.{path.name}")
    save(str(hidden))
    os.replace(hidden, path)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
