"""Label issues as cleanlab finds them on recorded out-of-sample probabilities. Prints label-issues.json."""

import json
import sys
import warnings

import numpy as np
from cleanlab.count import compute_confident_joint, estimate_joint, get_confident_thresholds
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from sklearn.datasets import load_breast_cancer, load_digits, load_wine, make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

warnings.filterwarnings("ignore")
FILTERS = ["prune_by_noise_rate", "prune_by_class", "both", "confident_learning", "predicted_neq_given"]
SCORES = ["self_confidence", "normalized_margin"]


def results(labels, p, scores=True):
    made = {
        "thresholds": get_confident_thresholds(labels, p).tolist(),
        "counts": compute_confident_joint(labels, p, calibrate=False).tolist(),
        "calibrated": compute_confident_joint(labels, p, calibrate=True).tolist(),
        "joint": estimate_joint(labels, p).tolist(),
        "issues": {f: np.flatnonzero(find_label_issues(labels, p, filter_by=f, n_jobs=1)).tolist() for f in FILTERS},
    }
    made["ranked"] = {
        s: find_label_issues(labels, p, return_indices_ranked_by=s, n_jobs=1).tolist() for s in SCORES
    }
    if scores:
        made["scores"] = {s: get_label_quality_scores(labels, p, method=s).tolist() for s in SCORES}
    return made


def case(name, labels, p):
    p = np.round(p, 7)
    labels = np.array(labels, dtype=int)
    return {"name": name, "labels": labels.tolist(), "probabilities": p.tolist(), **results(labels, p)}


def noisy(labels, share, k, rng):
    out = labels.copy()
    rows = rng.random(len(labels)) < share
    out[rows] = (out[rows] + rng.integers(1, k, rows.sum())) % k
    return out


def out_of_sample(x, y, c=0.3):
    model = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=500))
    return cross_val_predict(model, x, y, cv=StratifiedKFold(5, shuffle=True, random_state=7), method="predict_proba")


def mnist(folder):
    p = np.load(f"{folder}/mnist_test_set_pyx.npy").astype(np.float64)
    labels = np.load(f"{folder}/mnist_test_set_original_labels.npy")
    return {"name": "mnist", **results(labels, p / p.sum(axis=1, keepdims=True), scores=False)}


if len(sys.argv) > 1:
    print(json.dumps(mnist(sys.argv[1]), separators=(",", ":")))
    sys.exit()
rng = np.random.default_rng(20261127)
cases = []
for name, load, share in [("wine", load_wine, 0.1), ("breast cancer", load_breast_cancer, 0.15)]:
    x, y = load(return_X_y=True)
    y = noisy(y, share, y.max() + 1, rng)
    cases.append(case(name, y, out_of_sample(x, y)))
x, y = load_digits(return_X_y=True)
x, y = x[:700], noisy(y[:700], 0.08, 10, rng)
cases.append(case("digits", y, out_of_sample(x, y, 0.02)))
x, y = make_classification(900, 6, n_informative=4, n_classes=2, weights=[0.93], class_sep=1.2, random_state=5)
cases.append(case("few positives", y, out_of_sample(x, y)))
x, y = make_classification(300, 6, n_informative=5, n_redundant=0, n_classes=4, class_sep=0.6, random_state=9)
cases.append(case("classes that overlap", y, out_of_sample(x, y, 0.01)))
# A class that no row is labelled with, one of a single row, and rows that no class is sure of.
p = rng.dirichlet([0.6, 0.6, 0.6, 0.6, 0.6], 160)
labels = np.array([rng.choice(4, p=row[:4] / row[:4].sum()) for row in p])
labels[labels == 3] = 2
labels[5] = 3
cases.append(case("an absent class and one of one row", labels, p))
p = rng.dirichlet([1, 1, 1], 60)
cases.append(case("labels against the model", p.argmin(axis=1), p))
print(json.dumps(cases, separators=(",", ":")).replace('},{"name"', '},\n{"name"'))
