"""lr_momentum as Ray Tune's documentation has it: OptunaSearch, ASHAScheduler, a Keras callback.

    python ray_tune_search.py DATA.npz RESULT.json TRIALS EPOCHS [BATCH_SIZE]

After its pages "Using Keras & TensorFlow with Tune" and "Running Tune experiments with Optuna".
"""

import json
import sys
import tempfile
from typing import Any

import numpy as np
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch

INITIALIZERS = ["random_uniform", "lecun_uniform", "random_normal", "zeros", "glorot_normal",
                "glorot_uniform", "he_normal", "he_uniform"]  # fmt: skip


def train(config: dict[str, Any]) -> None:
    import keras
    from keras import layers
    from ray.tune.integration.keras import TuneReportCheckpointCallback
    from sklearn.model_selection import train_test_split

    with np.load(config["data"]) as arrays:
        x, y = arrays["x_train"].astype("float32") / 255, arrays["y_train"]
    x_train, x_val, y_train, y_val = train_test_split(
        x, y, test_size=0.2, random_state=0, stratify=y
    )
    initializer = config["initializer"]
    model = keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            layers.Flatten(),
            layers.Dense(64, activation="relu", kernel_initializer=initializer),
            layers.Dense(64, activation="relu", kernel_initializer=initializer),
            layers.Dense(10, activation="softmax", kernel_initializer=initializer),
        ]
    )
    rate = keras.optimizers.schedules.InverseTimeDecay(
        config["learning_rate"], decay_steps=1, decay_rate=config["decay"]
    )
    model.compile(
        optimizer=keras.optimizers.SGD(
            rate, momentum=config["momentum"], nesterov=config["nesterov"]
        ),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(
        x_train,
        y_train,
        batch_size=config["batch_size"],
        epochs=config["epochs"],
        verbose=0,
        validation_data=(x_val, y_val),
        callbacks=[
            TuneReportCheckpointCallback(checkpoint_on=[], metrics={"val_accuracy": "val_accuracy"})
        ],
    )


def main(data: str, result: str, trials: str, epochs: str, size: str | None = None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            train,
            param_space={
                "data": data,
                "epochs": int(epochs),
                "batch_size": tune.lograndint(16, 257) if size is None else int(size),
                "learning_rate": tune.loguniform(1e-4, 1.0),
                "momentum": tune.uniform(0.0, 0.99),
                "nesterov": tune.choice([False, True]),
                "decay": tune.uniform(0.0, 0.01),
                "initializer": tune.choice(INITIALIZERS),
            },
            tune_config=tune.TuneConfig(
                metric="val_accuracy",
                mode="max",
                num_samples=int(trials),
                search_alg=OptunaSearch(seed=0),
                scheduler=ASHAScheduler(max_t=int(epochs), grace_period=1, reduction_factor=3),
            ),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        )
        best = tuner.fit().get_best_result().metrics
        assert best is not None
        with open(result, "w") as file:
            json.dump({"best": best["val_accuracy"]}, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
