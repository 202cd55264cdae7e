"""Records streams, progressive losses and weights of FTRL-proximal. Run: python ftrl.py (see SOURCE.md for versions).

`paper` is Algorithm 1 of McMahan et al. 2013 in float64, line by line. The Ftrl optimizer of Keras runs over the same streams as a second
implementation, and the script stops when the two disagree.
"""
import json, math, os, pathlib
os.environ.update(KERAS_BACKEND="jax", JAX_PLATFORMS="cpu", JAX_ENABLE_X64="1")
import keras
import numpy as np
from sklearn.utils import murmurhash3_32

HERE = pathlib.Path(__file__).parent


def paper(rows, loss, alpha, beta, l1, l2):
    z, n, seen = {}, {}, []
    for slots, values, y in rows:
        w = {}
        for i in slots:
            zi, ni = z.get(i, 0.0), n.get(i, 0.0)
            sign = math.copysign(1.0, zi)
            w[i] = 0.0 if abs(zi) <= l1 else -((beta + math.sqrt(ni)) / alpha + l2) ** -1 * (zi - sign * l1)
        raw = sum(w[i] * x for i, x in zip(slots, values))
        p = 1 / (1 + math.exp(-raw)) if loss == "logloss" else raw
        seen.append(p)
        for i, x in zip(slots, values):
            g = (p - y) * x
            sigma = (math.sqrt(n.get(i, 0.0) + g * g) - math.sqrt(n.get(i, 0.0))) / alpha
            z[i] = z.get(i, 0.0) + g - sigma * w[i]
            n[i] = n.get(i, 0.0) + g * g
    weights = {}
    for i in sorted(z):
        sign = math.copysign(1.0, z[i])
        weights[i] = 0.0 if abs(z[i]) <= l1 else -((beta + math.sqrt(n[i])) / alpha + l2) ** -1 * (z[i] - sign * l1)
    return seen, z, n, weights


def keras_weights(rows, loss, alpha, beta, l1, l2):
    keras.config.set_floatx("float64")
    size = 1 + max(max(s) for s, _, _ in rows)
    w = keras.Variable(np.zeros(size), dtype="float64")
    ftrl = keras.optimizers.Ftrl(alpha, beta=beta, initial_accumulator_value=0.0, l1_regularization_strength=l1,
                                 l2_regularization_strength=l2 / 2)
    for slots, values, y in rows:
        raw = float(np.dot(np.asarray(w)[slots], values))
        p = 1 / (1 + math.exp(-raw)) if loss == "logloss" else raw
        gradient = np.zeros(size)
        gradient[slots] = (p - y) * np.array(values)
        ftrl.apply([keras.ops.convert_to_tensor(gradient, dtype="float64")], [w])
    return np.asarray(w)


def agrees(rows, loss, params, w):
    peer = keras_weights(rows, loss, **params)
    worst = max(abs(w[i] - peer[i]) for i in w)
    assert worst < 1e-9, worst
    print(loss, params, "largest difference of a weight from Keras", worst)


def stream(seed, n_rows, n_fields, per_field, numbers):
    rng = np.random.default_rng(seed)
    effect = rng.normal(size=n_fields * per_field)
    rows = []
    for _ in range(n_rows):
        slots = [int(f * per_field + min(per_field - 1, rng.geometric(0.15) - 1)) for f in range(n_fields)]
        values = [1.0] * n_fields if not numbers else [round(float(v), 3) for v in rng.normal(size=n_fields)]
        raw = float(sum(effect[s] * x for s, x in zip(slots, values))) * 0.7 - 0.5
        rows.append((slots, values, raw))
    return rows, rng


def logistic(seed, numbers, alpha, beta, l1, l2):
    rows, rng = stream(seed, 1500, 6, 20, numbers)
    rows = [(s, v, int(rng.random() < 1 / (1 + math.exp(-raw)))) for s, v, raw in rows]
    seen, z, n, w = paper(rows, "logloss", alpha, beta, l1, l2)
    agrees(rows, "logloss", dict(alpha=alpha, beta=beta, l1=l1, l2=l2), w)
    loss = -sum(math.log(p if y else 1 - p) for p, (_, _, y) in zip(seen, rows)) / len(rows)
    return case(rows, "logloss", dict(alpha=alpha, beta=beta, l1=l1, l2=l2), seen, loss, z, n, w)


def squared(seed, alpha, beta, l1, l2):
    rows, rng = stream(seed, 1000, 5, 15, True)
    rows = [(s, v, round(raw + 0.1 * float(rng.normal()), 4)) for s, v, raw in rows]
    seen, z, n, w = paper(rows, "l2", alpha, beta, l1, l2)
    agrees(rows, "l2", dict(alpha=alpha, beta=beta, l1=l1, l2=l2), w)
    loss = sum((p - y) ** 2 for p, (_, _, y) in zip(seen, rows)) / len(rows)
    return case(rows, "l2", dict(alpha=alpha, beta=beta, l1=l1, l2=l2), seen, loss, z, n, w)


def case(rows, loss, params, seen, mean, z, n, w):
    keys = sorted(z)
    return dict(loss=loss, params=params, slots=[s for s, _, _ in rows], values=[v for _, v, _ in rows],
                target=[y for _, _, y in rows], predicted=seen[-50:], progressive=mean, keys=keys,
                z=[z[i] for i in keys], n=[n[i] for i in keys], weights=[w[i] for i in keys])


texts = ["", "a", "ab", "abc", "abcd", "abcde", "hello", "Zürich", "日本", "origin", "x" * 33]
fixture = dict(
    streams=[logistic(1, False, 0.1, 1.0, 0.5, 1.0), logistic(2, True, 0.05, 0.5, 0.0, 0.1), squared(3, 0.3, 1.0, 0.1, 0.0)],
    murmur=[dict(text=t, seed=s, hash=int(murmurhash3_32(t, seed=s, positive=True))) for t in texts for s in (0, 1, 2**31)],
)
(HERE / "ftrl.json").write_text(json.dumps(fixture, separators=(",", ":")))
