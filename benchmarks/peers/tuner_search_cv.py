"""The script of grid_search_cv.py moved to tuner: the search alone is another.

python tuner_search_cv.py DATA.npz TABLE.json EPOCHS
"""

import json
import sys

import numpy as np
from grid_search_cv import INITIALIZERS, build

from tuner.sklearn.search import TunerSearchCV


def main(data: str, table: str, epochs: str) -> None:
    with np.load(data) as arrays:
        x, y = arrays["x_train"], arrays["y_train"]
    x = x.reshape(len(x), -1).astype("float32") / 255
    search = TunerSearchCV(build, {"initializer": INITIALIZERS}, cv=3, n_jobs=-1, refit=False)
    search.fit(x, y, epochs=int(epochs), batch_size=128, verbose=0)
    results = search.cv_results_
    rows = {
        params["initializer"]: [mean, std]
        for params, mean, std in zip(
            results["params"], results["mean_test_score"], results["std_test_score"], strict=True
        )
    }
    with open(table, "w") as file:
        json.dump({"table": rows}, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
