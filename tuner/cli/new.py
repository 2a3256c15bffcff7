"""`tuner new`: a commented experiment to begin with."""

from __future__ import annotations

from pathlib import Path

from tuner.errors import ExperimentError
from tuner.experiment.checks import NAME_RULE

TEXT = '''"""One line on the question this answers; `tuner show` and reports repeat it."""

import keras

from tuner import Experiment, Float, Int


def train(trial):  # called once a trial; trial.seed has seeded Keras, NumPy and Python already
    data = trial.data  # x_train, y_train, x_val, y_val, n_classes
    hidden = keras.layers.Dense(trial["units"], activation="relu")
    output = keras.layers.Dense(data.n_classes, activation="softmax")
    model = keras.Sequential([keras.layers.Flatten(), hidden, output])
    optimizer = keras.optimizers.Adam(trial["learning_rate"])
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(data.x_train, data.y_train, epochs=trial.epochs, batch_size=32, verbose=0,
              validation_data=(data.x_val, data.y_val),
              callbacks=[trial.callback()])  # reports every epoch, stops the fit when told
    return model  # for `tuner refit`


SPACE = {"learning_rate": Float(1e-4, 1e-1, log=True, grid=[1e-3, 1e-2]),  # grid: for --mode grid
         "units": Int(16, 128, log=True, grid=[32, 128]),
         "epochs": Int(1, 9, grid=[9])}  # the most a trial may train; the scheduler deals them out
EXPERIMENT = Experiment(name="NAME", space=SPACE, objective=train,
                        metric="val_accuracy", direction="maximize", dataset="digits", trials=20)
'''


def write_experiment(path: Path) -> None:
    """Write the template. Raises ExperimentError if the file exists or cannot be written."""
    if path.suffix != ".py" or not NAME_RULE.match(path.stem):
        raise ExperimentError(f"{path} is not a file name like mine.py")
    try:
        with path.open("x") as file:
            file.write(TEXT.replace("NAME", path.stem))
    except FileExistsError:
        raise ExperimentError(f"{path} exists; give another name") from None
    except OSError as error:
        raise ExperimentError(f"{path} cannot be written: {error.strerror}") from None
