"""Real Keras trainings that take turns in one process give the numbers that each gives alone."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from tuner.data.splits import Splits, cell_data
from tuner.engines.trainer import Send, Trainer
from tuner.testing.engines import cells, digits
from tuner.training import globals_internals
from tuner.training.process import clear_worker, kept_type_policy
from tuner.training.run_cell import run_cell
from tuner.trial.cells import Cell, Decision, Outcome


def train(trial: Any) -> None:
    """A user's function: dropout, shuffled rows, a callback that draws, and a second fit."""
    import keras

    class Noise(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
            logs["noise"] = float(np.random.normal())

    data = trial.data
    model = keras.Sequential(
        [
            keras.layers.Flatten(),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(data.n_classes, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(trial["rate"]), "sparse_categorical_crossentropy")
    for epochs in (2, 2):
        model.fit(
            data.x_train,
            data.y_train,
            epochs=epochs,
            validation_data=(data.x_val, data.y_val),
            callbacks=[Noise(), trial.callback()],
            verbose=0,
        )


def trainer() -> Trainer:
    data = cell_data(digits(), Splits(), 0)

    def carry_out(cell: Cell, send: Send) -> Outcome:
        return run_cell(train, "val_loss", cell, send, lambda: data)

    return Trainer(carry_out, lambda: "here")


def step(one: Trainer, what: Cell | Decision, numbers: list[dict[str, float]]) -> bool:
    """Let a training make its next report; whether it goes on."""
    said = one.say(what)
    if isinstance(said, Outcome):
        assert said.error is None, said.error
        one.close()
        return False
    numbers.append(said[1])
    return True


def test_keras_and_tensorflow_have_what_taking_turns_needs() -> None:
    globals_internals.check()


def test_a_type_policy_set_at_the_head_of_a_file_holds_on_every_thread_and_in_every_cell() -> None:
    import keras

    found: list[str] = []
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    restore = kept_type_policy()
    keras.config.set_dtype_policy(before)

    def look() -> None:
        clear_worker()
        restore()
        found.append(keras.config.dtype_policy().name)

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == ["mixed_bfloat16"]
    keras.config.set_dtype_policy(before)
    assert keras.config.dtype_policy() == before


def test_functions_that_take_turns_give_the_numbers_that_each_gives_alone() -> None:
    todo = cells(2)
    alone: list[list[dict[str, float]]] = []
    for cell in todo:
        one, numbers = trainer(), list[dict[str, float]]()
        goes_on = step(one, cell, numbers)
        while goes_on:
            goes_on = step(one, Decision.CONTINUE, numbers)
        alone.append(numbers)
    assert [len(numbers) for numbers in alone] == [4, 4]

    trainers, together = [trainer() for _ in todo], [list[dict[str, float]]() for _ in todo]
    going = list(range(len(todo)))
    for turn in range(5):
        for i in list(going):
            if step(trainers[i], todo[i] if turn == 0 else Decision.CONTINUE, together[i]):
                trainers[i].park()
            else:
                going.remove(i)
    assert together == alone  # to the bit
