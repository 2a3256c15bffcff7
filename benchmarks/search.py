"""lr_momentum with ASHA, by tuner and by the script that one writes from Ray Tune's documentation.

    python -m benchmarks.search --data mnist.npz [--trials 64] [--epochs 9] [--engines fused]
        [--batch-size 128]

The same space, batches of 16 to 256 in it or all of one size, the same data, TPE and ASHA with eta
3 from epoch 1, each a process of its own, timed whole. The draws differ, so that the trials do too;
the best value is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tuner

PEER = Path(__file__).parent / "peers" / "ray_tune_search.py"


def main() -> None:
    """A row a contender, and the ratios."""
    parser = argparse.ArgumentParser(description="A search with ASHA, by tuner and Ray Tune.")
    parser.add_argument("--data", type=Path, required=True, help="an .npz such as mnist.npz")
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--engines", nargs="+", default=["fused", "ray_tune"])
    parser.add_argument("--batch-size", type=int, help="of all trials, where it is not searched")
    options = parser.parse_args()
    load = ", ".join(f"{average:.1f}" for average in os.getloadavg())
    print(f"{os.cpu_count()} CPUs, load {load}; {options.trials} trials", flush=True)
    data, trials, epochs = str(options.data.resolve()), str(options.trials), str(options.epochs)
    walls: dict[str, float] = {}
    for name in (*options.engines, "plain ray tune"):
        with tempfile.TemporaryDirectory() as folder:
            result = Path(folder) / "result.json"
            size = options.batch_size
            command = [sys.executable, str(PEER), data, str(result), trials, epochs]
            command += [] if size is None else [str(size)]
            if name != "plain ray tune":
                command = [sys.executable, "-m", "tuner", "run", "lr_momentum", "--data", data]
                command += ["--trials", trials, "--epochs", epochs]
                command += [] if size is None else ["--set", f"batch_size={size}"]
                command += ["--engine", name, "--results", folder, "--quiet"]
            started = time.monotonic()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            walls[name] = time.monotonic() - started
            if name == "plain ray tune":
                best = json.loads(result.read_text())["best"]
            else:
                found = tuner.load(Path(folder) / "lr_momentum").best_row
                best = float("nan") if found is None else found["value"]
        rate = 60 * options.trials / walls[name]
        print(f"{name:16} {walls[name]:7.1f} s, {rate:5.1f} trials a minute, best {best:.4f}",
              flush=True)  # fmt: skip
    for name in options.engines:
        print(f"plain ray tune / {name}: {walls['plain ray tune'] / walls[name]:.2f}")


if __name__ == "__main__":
    main()
