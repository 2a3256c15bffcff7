"""The initializer table as Ray Tune's documentation has it: a grid of 8 x 3 trials.

    python ray_tune_cv.py DATA.npz TABLE.json EPOCHS

After its page "Using Keras & TensorFlow with Tune": the function loads the data, builds, fits and
reports through the callback for Keras.
"""

import json
import sys
import tempfile
from typing import Any

import numpy as np
from ray import tune

INITIALIZERS = [
    "random_uniform",
    "lecun_uniform",
    "random_normal",
    "zeros",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
]


def train(config: dict[str, Any]) -> None:
    import keras
    from keras import layers
    from ray.tune.integration.keras import TuneReportCheckpointCallback
    from sklearn.model_selection import StratifiedKFold

    with np.load(config["data"]) as arrays:
        x, y = arrays["x_train"].astype("float32") / 255, arrays["y_train"]
    train, val = list(StratifiedKFold(3).split(x, y))[config["fold"]]
    initializer = config["initializer"]
    model = keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            layers.Flatten(),
            layers.Dense(64, activation="relu", kernel_initializer=initializer),
            layers.Dropout(0.5),
            layers.Dense(64, activation="relu", kernel_initializer=initializer),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax", kernel_initializer=initializer),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.RMSprop(0.001),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(
        x[train],
        y[train],
        batch_size=128,
        epochs=config["epochs"],
        verbose=0,
        validation_data=(x[val], y[val]),
        callbacks=[
            TuneReportCheckpointCallback(checkpoint_on=[], metrics={"accuracy": "val_accuracy"})
        ],
    )


def main(data: str, table: str, epochs: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            train,
            param_space={
                "initializer": tune.grid_search(INITIALIZERS),
                "fold": tune.grid_search([0, 1, 2]),
                "data": data,
                "epochs": int(epochs),
            },
            tune_config=tune.TuneConfig(metric="accuracy", mode="max"),
            run_config=tune.RunConfig(storage_path=folder),
        )
        results = tuner.fit()
        scores: dict[str, list[float]] = {name: [] for name in INITIALIZERS}
        for number in range(len(results)):
            result = results[number]
            assert result.config is not None
            assert result.metrics is not None
            scores[result.config["initializer"]].append(result.metrics["accuracy"])
    rows = {name: [np.mean(values), np.std(values)] for name, values in scores.items()}
    with open(table, "w") as file:
        json.dump({"table": rows}, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
