"""AUC of interpret's ExplainableBoostingClassifier on rows that the test makes again, and on adult when a folder with it is given. See SOURCE.md."""
import gzip
import json
import sys

import numpy as np
import pandas as pd
from interpret.glassbox import ExplainableBoostingClassifier
from sklearn.metrics import roc_auc_score

def mix32(x):
    x = np.asarray(x, dtype=np.uint64)
    m = np.uint64(0xFFFFFFFF)
    h = x & m
    h = ((h ^ (h >> np.uint64(16))) * np.uint64(0x85EBCA6B)) & m
    h = ((h ^ (h >> np.uint64(13))) * np.uint64(0xC2B2AE35)) & m
    return h ^ (h >> np.uint64(16))

def world(n, d):
    u = mix32(np.arange(n * d, dtype=np.uint64) + np.uint64(1)).reshape(n, d) / 2.0**32
    X = 3.4 * u - 1.7
    X[:, 5] = np.floor(10 * u[:, 5])
    gaps = mix32(np.arange(n, dtype=np.uint64) + np.uint64(20_000_000)) / 2.0**32
    X[gaps < 0.1, 4] = np.nan
    z = np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2] + 0.5 * X[:, 3] ** 2 - 0.5
    z = z + np.where(np.isnan(X[:, 4]), 1, X[:, 4]) + np.where(X[:, 5] % 3 == 0, 1, -0.5)
    coin = mix32(np.arange(n, dtype=np.uint64) + np.uint64(10_000_000)) / 2.0**32
    return X, (coin < 1 / (1 + np.exp(-z))).astype(float)

def measure(X, y, Xt, yt, **options):
    model = ExplainableBoostingClassifier(n_jobs=1, random_state=1, **options).fit(X, y)
    pairs = [list(map(int, t)) for t in model.term_features_ if len(t) == 2]
    return {"auc": roc_auc_score(yt, model.predict_proba(Xt)[:, 1]), "pairs": pairs}

n, d = 12_000, 8
X, y = world(n, d)
out = {"n": n, "d": d, "train": 8000}
for name, k in (("features", 0), ("pairs", 3)):
    out[name] = measure(X[:8000], y[:8000], X[8000:], y[8000:], interactions=k)
if len(sys.argv) > 1:
    read = lambda f: pd.read_csv(gzip.open(f"{sys.argv[1]}/{f}"), header=None, skipinitialspace=True, na_values="?", comment="|")

    train, test = read("adult-train.csv.gz"), read("adult-test.csv.gz")
    isRich = lambda t: t[14].str.startswith(">50K").astype(int)
    out["adult"] = measure(train.iloc[:, :14], isRich(train), test.iloc[:, :14], isRich(test), interactions=10, outer_bags=6)
json.dump(out, open("ebm.json", "w"))
