"""Weights of models of classes by SciPy's bounded minimiser: written to class-blend.json. See SOURCE.md."""

import json
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

CASES = [
    {"seed": 1, "n": 80, "k": 3, "m": 2, "ridge": 0.0},
    {"seed": 2, "n": 60, "k": 4, "m": 3, "ridge": 1.0},
    {"seed": 3, "n": 120, "k": 2, "m": 3, "ridge": 0.5},
    {"seed": 4, "n": 50, "k": 5, "m": 4, "ridge": 1.0},
]


def case(seed, n, k, m, ridge):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, k, n)
    truth = np.eye(k)[codes]
    # The last model speaks against the truth, so that its weight is held at 0.
    skill = np.array([1.2, 0.6, 0.3, 0.0][: m - 1] + [-0.8])
    scores = np.round(skill[:, None, None] * truth[None] + rng.normal(size=(m, n, k)), 6)
    weights = np.round(rng.uniform(0, 2, n), 3)
    towards = np.full(m, 1 / m)

    def loss(w):
        logs = log_softmax(np.tensordot(w, scores, 1), axis=1)
        return -(weights * logs[np.arange(n), codes]).sum() + ridge / 2 * ((w - towards) ** 2).sum()

    def slope(w):
        chances = np.exp(log_softmax(np.tensordot(w, scores, 1), axis=1))
        over = (chances[None] * scores).sum(2) - scores[:, np.arange(n), codes]
        return (weights * over).sum(1) + ridge * (w - towards)

    options = {"ftol": 1e-16, "gtol": 1e-11, "maxiter": 10_000}
    found = minimize(loss, towards, jac=slope, bounds=[(0, None)] * m, method="L-BFGS-B", options=options)
    return {
        "scores": scores.reshape(m, -1).tolist(),
        "codes": codes.tolist(),
        "weights": weights.tolist(),
        "ridge": ridge,
        "towards": towards.tolist(),
        "blend": found.x.tolist(),
        "loss": float(found.fun),
    }


def vector(seed, n, k):
    """Slopes and intercepts of vector scaling with a ridge of 1 towards 1 and 0."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, k, n)
    scores = np.round(2.5 * np.eye(k)[codes] + rng.normal(size=(n, k)) * rng.uniform(0.5, 3, k) + rng.normal(size=k), 6)

    def loss(w):
        logs = log_softmax(scores * w[:k] + w[k:], axis=1)
        return -logs[np.arange(n), codes].sum() + ((w[:k] - 1) ** 2).sum() / 2 + (w[k:] ** 2).sum() / 2

    def slope(w):
        over = np.exp(log_softmax(scores * w[:k] + w[k:], axis=1)) - np.eye(k)[codes]
        return np.concatenate([(over * scores).sum(0) + w[:k] - 1, over.sum(0) + w[k:]])

    start = np.concatenate([np.ones(k), np.zeros(k)])
    found = minimize(loss, start, jac=slope, method="BFGS", options={"gtol": 1e-9, "maxiter": 10_000})
    return {"scores": scores.ravel().tolist(), "codes": codes.tolist(), "slopes": found.x[:k].tolist(), "intercepts": found.x[k:].tolist()}


vectors = [vector(5, 150, 3), vector(6, 90, 5)]
Path(__file__).with_name("vector-scaling.json").write_text(json.dumps(vectors) + "\n")
Path(__file__).with_suffix(".json").write_text(json.dumps([case(**c) for c in CASES]) + "\n")
