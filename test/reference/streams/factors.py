"""Records factorisation machines learned by a plain implementation. Run: python factors.py (see SOURCE.md for versions).

The score is Rendle's equation 1, summed over pairs one by one; gradients are taken by jax from that sum, not by the closed form; steps are AdaGrad with squares from 1.
"""
import json, os, pathlib
os.environ.update(JAX_PLATFORMS="cpu", JAX_ENABLE_X64="1")
import jax
import jax.numpy as jnp
import numpy as np

HERE = pathlib.Path(__file__).parent


def score(bias, w, v, x):
    raw = bias + w @ x
    for i in range(len(x)):
        for j in range(i + 1, len(x)):
            raw = raw + (v[i] @ v[j]) * x[i] * x[j]
    return raw


def loss(params, x, y, kind):
    raw = score(*params, x)
    return jnp.logaddexp(0.0, raw) - y * raw if kind == "logloss" else (raw - y) ** 2 / 2


gradient = jax.jit(jax.grad(loss), static_argnums=3)


def learn(rows, kind, slots, factors, rate, l2, l2v, passes, rng):
    bias, w, v = 0.0, np.zeros(slots), rng.normal(0, 0.1, (slots, factors)).round(6)
    first = v.copy()
    sb, sw, sv = 1.0, np.ones(slots), np.ones((slots, factors))
    for _ in range(passes):
        for at, x, y in rows:
            gb, gw, gv = (np.asarray(g) for g in gradient((bias, w[at], v[at]), np.array(x), float(y), kind))
            sb += gb**2
            bias -= rate * gb / np.sqrt(sb)
            gw, gv = gw + l2 * w[at], gv + l2v * v[at]
            sw[at] += gw**2
            sv[at] += gv**2
            w[at] -= rate * gw / np.sqrt(sw[at])
            v[at] -= rate * gv / np.sqrt(sv[at])
    return first, float(bias), w, v


def case(seed, kind, numbers, factors, rate, l2, l2v, passes=2, fields=4, per_field=6, n=250):
    rng = np.random.default_rng(seed)
    taste = rng.normal(size=(fields * per_field, 3))
    rows = []
    for _ in range(n):
        at = [int(f * per_field + rng.integers(per_field)) for f in range(fields)]
        x = rng.normal(size=fields).round(3).tolist() if numbers else [1.0] * fields
        raw = float(taste[at[0]] @ taste[at[1]])
        y = round(raw + 0.1 * float(rng.normal()), 4) if kind == "l2" else int(rng.random() < 1 / (1 + np.exp(-2 * raw)))
        rows.append((at, x, y))
    first, bias, w, v = learn(rows, kind, fields * per_field, factors, rate, l2, l2v, passes, rng)
    scores = [float(score(bias, w[at], v[at], np.array(x))) for at, x, _ in rows[:30]]
    return dict(loss=kind, factors=factors, learningRate=rate, l2=l2, l2Vectors=l2v, passes=passes, slots=[r[0] for r in rows], values=[r[1] for r in rows],
                target=[r[2] for r in rows], first=first.tolist(), bias=bias, weights=w.tolist(), vectors=v.tolist(), scores=scores)


fixture = [case(41, "logloss", False, 3, 0.2, 0.01, 0.02), case(42, "l2", True, 2, 0.1, 0.0, 0.0), case(43, "l2", False, 4, 0.3, 0.05, 0.1)]
(HERE / "factors.json").write_text(json.dumps(fixture, separators=(",", ":")))
