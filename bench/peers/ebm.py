"""Trains interpret's explainable boosting machine on the rows that the bench wrote as doubles: columns one after another, then the target.

Arguments: file, rows, train (rows to learn from), features, interactions, bags. Emits CPU seconds and the AUC on the other rows.
"""

import numpy as np
from figures import arguments, cpu, emit
from interpret.glassbox import ExplainableBoostingClassifier
from sklearn.metrics import roc_auc_score

a = arguments()
values = np.fromfile(a["file"]).reshape(a["features"] + 1, a["rows"])
x, y, n = values[:-1].T, values[-1], a["train"]
with cpu() as spent:
    model = ExplainableBoostingClassifier(
        interactions=a["interactions"], outer_bags=a["bags"], n_jobs=1, random_state=1
    ).fit(x[:n], y[:n])
emit(cpu=spent["cpu"], auc=roc_auc_score(y[n:], model.predict_proba(x[n:])[:, 1]))
