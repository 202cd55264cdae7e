"""Trains scikit-learn's MLPClassifier on the rows that the bench wrote as doubles: columns one after another, then the target.

Arguments: file, rows, features, hidden, batchRows, epochs, seed. Emits CPU seconds an epoch and the loss curve.
"""

import warnings

import numpy as np
from figures import arguments, cpu, emit
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

warnings.filterwarnings("ignore")
a = arguments()
values = np.fromfile(a["file"]).reshape(a["features"] + 1, a["rows"])
x, y = np.ascontiguousarray(values[:-1].T), values[-1]
with cpu() as spent:
    model = MLPClassifier(
        hidden_layer_sizes=a["hidden"],
        batch_size=a["batchRows"],
        max_iter=a["epochs"],
        alpha=0,
        n_iter_no_change=a["epochs"] + 1,
        random_state=a["seed"],
    ).fit(StandardScaler().fit_transform(x), y)
emit(cpu=spent["cpu"] / a["epochs"], loss=model.loss_curve_[-1])
