"""Chances of one value among others along a line, by another way than ours: the t of a dummy for that value in a regression of all. `python lines.py`."""

import json

import numpy as np
from scipy import stats

rng = np.random.default_rng(20261128)
beside = np.log(rng.integers(8, 200, size=11))
values = 0.4 * beside + rng.normal(size=11)
values[6] += 3
ps = []
for i in range(11):
    design = np.column_stack([np.ones(11), beside, np.arange(11) == i])
    weights = np.linalg.solve(design.T @ design, design.T @ values)
    left = values - design @ weights
    variance = left @ left / (11 - 3)
    error = np.sqrt(variance * np.linalg.inv(design.T @ design)[2, 2])
    ps.append(float(stats.t.sf(weights[2] / error, 11 - 3)))
with open("lines.json", "w") as file:
    json.dump({"beside": beside.tolist(), "values": values.tolist(), "ps": ps}, file)
