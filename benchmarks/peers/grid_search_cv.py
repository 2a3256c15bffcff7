"""The initializer table as a user of scikit-learn writes it: GridSearchCV over Keras' own wrapper.

python grid_search_cv.py DATA.npz TABLE.json EPOCHS
"""

import json
import sys
from typing import Any

import numpy as np
from sklearn.model_selection import GridSearchCV

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


def build(X: Any, y: Any, initializer: str) -> Any:
    import keras
    from keras import layers

    model = keras.Sequential(
        [
            keras.Input(X.shape[1:]),
            layers.Dense(64, activation="relu", kernel_initializer=initializer),
            layers.Dropout(0.5),
            layers.Dense(64, activation="relu", kernel_initializer=initializer),
            layers.Dropout(0.5),
            layers.Dense(y.shape[1], activation="softmax", kernel_initializer=initializer),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.RMSprop(0.001),
        loss="categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def main(data: str, table: str, epochs: str) -> None:
    from keras.wrappers import SKLearnClassifier

    with np.load(data) as arrays:
        x, y = arrays["x_train"], arrays["y_train"]
    x = x.reshape(len(x), -1).astype("float32") / 255
    grid = GridSearchCV(
        SKLearnClassifier(model=build),
        {"model_kwargs": [{"initializer": name} for name in INITIALIZERS]},
        cv=3,
        n_jobs=-1,
        refit=False,
    )
    # Given to fit: GridSearchCV clones the wrapper, and a clone forgets its fit_kwargs.
    grid.fit(x, y, epochs=int(epochs), batch_size=128, verbose=0)
    results = grid.cv_results_
    rows = {
        params["model_kwargs"]["initializer"]: [mean, std]
        for params, mean, std in zip(
            results["params"], results["mean_test_score"], results["std_test_score"], strict=True
        )
    }
    times = results["mean_fit_time"] + results["mean_score_time"]
    with open(table, "w") as file:
        json.dump({"table": rows, "training_s": float(times.mean())}, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
