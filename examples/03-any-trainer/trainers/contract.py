"""The contract of a trainer, in Python: where its rows, its schema and its parameters are, and where its model goes."""

import json
import os
import sys

import numpy as np
import pyarrow.parquet as pq

INPUT = os.environ["MILLRACE_INPUT"]
OUTPUT = os.environ["MILLRACE_OUTPUT"]
#: Files put here are there again when the same run is tried again after a crash or a limit of time.
CHECKPOINTS = os.environ["MILLRACE_CHECKPOINTS"]


def _json(name):
    with open(os.path.join(INPUT, name)) as file:
        return json.load(file)


SCHEMA = _json("schema.json")
PARAMS = _json("params.json")
NAMES = [feature["name"] for feature in SCHEMA["features"]]
CATEGORIES = [i for i, feature in enumerate(SCHEMA["features"]) if feature["type"] == "category"]


def rows(split):
    """Features `[n, features]` in the order of the schema, missing as NaN and categories as codes, and the target `[n]`."""
    table = pq.read_table(os.path.join(INPUT, f"{split}.parquet"))
    x = np.column_stack([table[name].to_numpy() for name in NAMES])
    return x, table[SCHEMA["target"]].to_numpy()


def progress(share, note=""):
    print(json.dumps({"progress": share, "note": note}), flush=True)


def output(name):
    """Where the model goes: model.txt of LightGBM, model.ubj or model.json of XGBoost, or model.onnx."""
    return os.path.join(OUTPUT, name)


def metrics(**values):
    """What the card of the model quotes."""
    with open(output("metrics.json"), "w") as file:
        json.dump({name: float(value) for name, value in values.items()}, file)


def auc(y, scores):
    """Area under the ROC curve: the share of pairs in which the positive row has the higher score, ties a half."""
    positive, negative = scores[y == 1], np.sort(scores[y == 0])
    below = np.searchsorted(negative, positive, "left")
    return (below + np.searchsorted(negative, positive, "right")).mean() / 2 / len(negative)


def scores(values):
    """What the library itself says of the validation rows, for who asks by MILLRACE_OWN_SCORES, a folder: answers that are served can be held against it."""
    folder = os.environ.get("MILLRACE_OWN_SCORES")
    if folder:
        name = os.path.splitext(os.path.basename(sys.argv[0]))[0]
        with open(os.path.join(folder, f"{name}.json"), "w") as file:
            json.dump({"rows": rows("validate")[0].tolist(), "scores": np.asarray(values, dtype=float).tolist()}, file)


def need_binary():
    if PARAMS["task"] != "binary":
        sys.exit(f"this trainer is for binary targets, not for {PARAMS['task']}")
