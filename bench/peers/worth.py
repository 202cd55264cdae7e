"""Label issues and worth of rows by cleanlab, on the numbers that ours reads."""

import resource

import numpy as np
from cleanlab.data_valuation import data_shapley_knn
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from figures import arguments, cpu, emit

RULES = ["prune_by_noise_rate", "prune_by_class", "both", "confident_learning", "predicted_neq_given"]
ROUNDS = 5


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


asked = arguments()
labels = np.load(asked["labels"]).astype(int)
if asked["what"] == "labels":
    p = np.load(asked["p"]).reshape(len(labels), -1)
    for rule in RULES:
        best = None
        for _ in range(ROUNDS):
            with cpu() as spent:
                flags = find_label_issues(labels, p, filter_by=rule, n_jobs=1)
            best = spent["cpu"] if best is None else min(best, spent["cpu"])
        emit(rule=rule, cpu=best, issues=np.flatnonzero(flags).tolist())
elif asked["what"] == "ranks":
    p = np.load(asked["p"]).reshape(len(labels), -1)
    for score in ["self_confidence", "normalized_margin"]:
        emit(score=score, order=np.argsort(get_label_quality_scores(labels, p, method=score), kind="stable").tolist())
else:
    points = np.load(asked["points"]).reshape(len(labels), asked["width"])
    before = peak_mb()
    with cpu() as spent:
        data_shapley_knn(labels, features=points, k=10, metric="euclidean")
    emit(cpu=spent["cpu"], mb=peak_mb() - before)
