"""Loss curves of scikit-learn's MLPClassifier and MLPRegressor, and integrated gradients of a small network by dense quadrature. See SOURCE.md."""
import json
import warnings

import numpy as np
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler

warnings.filterwarnings("ignore")


def mix32(x):
    h = x & 0xFFFFFFFF
    h = ((h ^ (h >> 16)) * 0x85EBCA6B) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 0xC2B2AE35) & 0xFFFFFFFF
    return h ^ (h >> 16)


def world(n, d):
    """Rows that the test makes again by the same counter hash: uniform in [-1.7, 1.7)."""
    u = np.array([[mix32(i * d + j + 1) / 2**32 for j in range(d)] for i in range(n)])
    return 3.4 * u - 1.7


n, d = 8000, 6
X = world(n, d)
z = np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2] + 0.5 * X[:, 3] ** 2 - 0.5
coin = np.array([mix32(10_000_000 + i) / 2**32 for i in range(n)])
y = (coin < 1 / (1 + np.exp(-2 * z))).astype(float)
Xs = StandardScaler().fit_transform(X)
out = {"n": n, "d": d, "classifier": [], "regressor": []}
options = dict(batch_size=128, max_iter=10, alpha=0, n_iter_no_change=100)
for seed in range(1, 9):
    out["classifier"].append(MLPClassifier(hidden_layer_sizes=(32, 16), random_state=seed, **options).fit(Xs, y).loss_curve_)
    zs = (z - z.mean()) / z.std()
    out["regressor"].append(MLPRegressor(hidden_layer_sizes=(32, 16), random_state=seed, **options).fit(Xs, zs).loss_curve_)

rng = np.random.default_rng(7)
W1, b1 = rng.normal(size=(3, 5)), rng.normal(size=5)
W2, b2 = rng.normal(size=(5, 4)), rng.normal(size=4)
W3, b3 = rng.normal(size=(4, 2)), rng.normal(size=2)
f32 = lambda a: np.asarray(a, dtype=np.float32).astype(float)
W1, b1, W2, b2, W3, b3 = map(f32, (W1, b1, W2, b2, W3, b3))
base = f32([0.1, -0.2, 0.3])


def act(kind, z):
    if kind == "relu":
        return np.maximum(z, 0), (z > 0).astype(float)
    c = np.sqrt(2 / np.pi)
    t = np.tanh(c * (z + 0.044715 * z**3))
    return 0.5 * z * (1 + t), 0.5 * (1 + t) + 0.5 * z * (1 - t * t) * c * (1 + 3 * 0.044715 * z * z)


def f(kind, x):
    a, _ = act(kind, x @ W1 + b1)
    a, _ = act(kind, a @ W2 + b2)
    return a @ W3 + b3


def gradient(kind, x, k):
    z1 = x @ W1 + b1
    a1, d1 = act(kind, z1)
    z2 = a1 @ W2 + b2
    _, d2 = act(kind, z2)
    return ((W3[:, k] * d2) @ W2.T * d1) @ W1.T


rows = f32(rng.normal(size=(6, 3)) * 2)
cases = []
for kind in ("relu", "gelu"):
    for x in rows:
        for k in (0, 1):
            points = (np.arange(200_000) + 0.5) / 200_000
            grads = gradient(kind, base + points[:, None] * (x - base), k).mean(0)
            cases.append({"activation": kind, "x": x.tolist(), "output": k, "raw": f(kind, x)[k], "base": f(kind, base)[k],
                          "contributions": ((x - base) * grads).tolist()})
out["network"] = {"weights": np.concatenate([W1.ravel(), W2.ravel(), W3.ravel()]).tolist(),
                  "biases": np.concatenate([b1, b2, b3]).tolist(), "base": base.tolist(), "cases": cases}
json.dump(out, open("mlp.json", "w"))
