"""The full run of the architecture search: every cell of the space is trained.

On this table a search can be repeated hundreds of times. It too takes the embedded digits, for which the space is made.
Source of the idea: Ying et al. (2019), "NAS-Bench-101: towards reproducible neural architecture search".
"""
from dataclasses import asdict

import numpy as np

from dlbook.cnn.search import spec, task
from dlbook.train.progress import Progress


def run(framework, seed, folder, cells=None):
    """Train every cell once.

    Args:
        framework: `keras` or `torch`.
        seed: starting weights and order of the batches.
        folder: nothing is written there: the table is in the record.
        cells: those to train; None takes the whole space.

    Returns:
        dict of `files` (none), `metrics`, `history` (none) and `table`: columns `cell`, `validation`,
        `test`, `parameters`, `operations`.
    """
    digits, cells, results = task.digits(), cells or spec.SPACE.cells(), []
    with Progress(len(cells), f"training all cells in {framework}") as bar:
        for cell in cells:
            results.append(asdict(task.train(cell, digits, framework, seed)))
            bar.step(f"validation {results[-1]['validation']:.3f}")
    columns = {name: [result[name] for result in results] for name in results[0]}
    table = {"cell": [spec.encode(cell) for cell in cells]} | columns
    return {"files": (), "metrics": _metrics(columns), "history": {}, "table": table}


def _metrics(columns):
    """Of the whole table: the cell that validation chooses, and how well validation foretells the test."""
    validation, test = np.array(columns["validation"]), np.array(columns["test"])
    chosen = validation.argmax()
    return {
        "cells": len(validation),
        "chosen_validation": float(validation[chosen]), "chosen_test": float(test[chosen]),
        "best_test": float(test.max()), "median_test": float(np.median(test)),
        "correlation": float(np.corrcoef(validation, test)[0, 1]),
    }
