"""Platt's and beta calibration by scikit-learn and betacal. See SOURCE.md."""
import json

import numpy as np
from betacal import BetaCalibration
from sklearn.calibration import _SigmoidCalibration

rng = np.random.default_rng(11)
cases = []
for name, n, slope, bend in (("even", 200, 1.0, 0), ("steep", 400, 3.0, 0), ("shifted", 300, 0.7, 1.5), ("few", 12, 1.0, 0)):
    truth = rng.normal(size=n) * 1.5
    y = (rng.random(n) < 1 / (1 + np.exp(-truth))).astype(float)
    scores = slope * truth + bend
    w = rng.integers(1, 4, size=n).astype(float)
    p = 1 / (1 + np.exp(-scores))
    platt, weighted = _SigmoidCalibration().fit(scores, y), _SigmoidCalibration().fit(scores, y, sample_weight=w)
    beta = BetaCalibration("abm").fit(p.reshape(-1, 1), y)
    cases.append({"name": name, "scores": scores.tolist(), "labels": y.tolist(), "weights": w.tolist(),
                  "platt": platt.predict(scores).tolist(), "plattWeighted": weighted.predict(scores).tolist(),
                  "beta": beta.predict(p).tolist()})
separable = np.linspace(-2, 2, 20)
sep = _SigmoidCalibration().fit(separable, (separable > 0).astype(float))
cases.append({"name": "separable", "scores": separable.tolist(), "labels": (separable > 0).astype(float).tolist(),
              "weights": np.ones(20).tolist(), "platt": sep.predict(separable).tolist(), "plattWeighted": sep.predict(separable).tolist()})
json.dump({"cases": cases}, open("calibration-maps.json", "w"))
