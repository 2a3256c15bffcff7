"""A population as Ray Tune's documentation has it: PopulationBasedTraining, and a Keras loop.

    python ray_tune_pbt.py DATA.npz RESULT.json MEMBERS EPOCHS INTERVAL SEED WORKERS

After its page "A Guide to Population Based Training with Tune": the function writes a checkpoint
of its weights and its optimizer each interval, and goes on from the one that it is given.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray import tune
from ray.tune.schedulers import PopulationBasedTraining


def train(config: dict[str, Any]) -> None:
    import keras
    from keras import layers

    with np.load(config["data"]) as arrays:
        parts = ("x_train", "y_train", "x_val", "y_val")
        x_train, y_train, x_val, y_val = (arrays[name] for name in parts)
    keras.utils.set_random_seed(config["seed"])
    model = keras.Sequential(
        [
            keras.Input(x_train.shape[1:]),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dropout(config["dropout"]),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        keras.optimizers.SGD(config["learning_rate"], momentum=config["momentum"]),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.optimizer.build(model.trainable_variables)
    kept = [v for v in model.optimizer.variables if v is not model.optimizer.learning_rate]
    first = 0
    checkpoint = tune.get_checkpoint()
    if checkpoint is not None:
        with checkpoint.as_directory() as folder, np.load(Path(folder) / "state.npz") as state:
            first = int(state["epoch"])
            for i, variable in enumerate([*model.weights, *kept]):
                variable.assign(state[str(i)])
    for epoch in range(first, config["epochs"]):
        history = model.fit(
            x_train,
            y_train,
            batch_size=config["batch_size"],
            epochs=epoch + 1,
            initial_epoch=epoch,
            validation_data=(x_val, y_val),
            verbose=0,
        ).history
        metrics = {"val_accuracy": history["val_accuracy"][-1]}
        if (epoch + 1) % config["interval"]:
            tune.report(metrics)
            continue
        with tempfile.TemporaryDirectory() as folder:
            state = {str(i): v.numpy() for i, v in enumerate([*model.weights, *kept])}
            np.savez(Path(folder) / "state.npz", epoch=epoch + 1, **state)
            tune.report(metrics, checkpoint=tune.Checkpoint.from_directory(folder))


def main(
    data: str, result: str, members: str, epochs: str, interval: str, seed: str, workers: str
) -> None:
    ray.init(num_cpus=int(workers), include_dashboard=False, log_to_driver=False)
    explored = {
        "learning_rate": tune.loguniform(1e-4, 1.0),
        "momentum": tune.uniform(0.0, 0.99),
        "dropout": tune.uniform(0.0, 0.7),
        "batch_size": [16, 32, 64, 128, 256],
    }
    first = {**explored, "batch_size": tune.choice(explored["batch_size"])}
    np.random.seed(int(seed))
    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            train,
            param_space={
                **first,
                "data": data,
                "epochs": int(epochs),
                "interval": int(interval),
                "seed": int(seed),
            },
            tune_config=tune.TuneConfig(
                metric="val_accuracy",
                mode="max",
                num_samples=int(members),
                scheduler=PopulationBasedTraining(
                    time_attr="training_iteration",
                    perturbation_interval=int(interval),
                    hyperparam_mutations=explored,
                ),
            ),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        )
        results = tuner.fit()
        frames = [results[i].metrics_dataframe for i in range(len(results))]
        found = [frame["val_accuracy"] for frame in frames if frame is not None]
        with open(result, "w") as file:
            json.dump(
                {
                    "best": max(float(values.max()) for values in found),
                    "epochs": sum(len(values) for values in found),
                },
                file,
            )


if __name__ == "__main__":
    main(*sys.argv[1:])
