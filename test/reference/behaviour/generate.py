"""Two sets of scores over the same rows, and how they differ, by NumPy and SciPy: `python generate.py > behaviour.json`."""

import json

import numpy as np
from scipy import stats

ROWS = 600
ROWS_MIN = 50
rng = np.random.default_rng(20261128)
city = rng.choice(["ATL", "BOS", "ORD", "SEA"], ROWS, p=[0.4, 0.3, 0.2, 0.1])
delay = np.round(rng.normal(10, 20, ROWS), 1)
before = np.round(rng.uniform(0.02, 0.98, ROWS), 4)
shift = rng.normal(0, 0.03, ROWS) + np.where(city == "SEA", 0.2, 0) + np.where(delay > 30, -0.1, 0)
after = np.round(np.clip(before + shift, 0.01, 0.99), 4)
target = (rng.uniform(size=ROWS) < (before + after) / 2).astype(int)

moves = after - before
far = np.abs(moves)
a, b = before >= 0.5, after >= 0.4
masks = {f"city={name}": city == name for name in sorted(set(city))}
ends = np.quantile(delay, np.linspace(0, 1, 6))
for i in range(5):
    low = delay >= ends[0] if i == 0 else delay > ends[i]
    masks[f"delay#{i}"] = low & (delay <= ends[i + 1])
masks = {name: mask for name, mask in masks.items() if min(mask.sum(), (~mask).sum()) >= ROWS_MIN}
p = [stats.ttest_ind(far[mask], far[~mask], equal_var=False).pvalue for mask in masks.values()]
q = stats.false_discovery_control(p, method="bh")


def loss(scores):
    return -np.where(target == 1, np.log(scores), np.log(1 - scores))


slices = {}
for (name, mask), one in zip(masks.items(), q):
    delta = (loss(after) - loss(before))[mask]
    half = stats.t.ppf(0.975, len(delta) - 1) * delta.std(ddof=1) / np.sqrt(len(delta))
    spread = stats.t.ppf(0.975, mask.sum() - 1) * stats.sem(far[mask])
    slices[name] = {
        "rows": int(mask.sum()),
        "moved": far[mask].mean(),
        "interval": [far[mask].mean() - spread, far[mask].mean() + spread],
        "rest": far[~mask].mean(),
        "shift": moves[mask].mean(),
        "changed": int((a != b)[mask].sum()),
        "loss": [delta.mean(), delta.mean() - half, delta.mean() + half],
        "q": one,
    }
changed = int((a != b).sum())
high = np.quantile(far, 0.99)
edges = np.linspace(-high, high, 42)
interval = stats.binomtest(changed, ROWS).proportion_ci(method="wilson")
print(
    json.dumps(
        {
            "columns": {"city": city.tolist(), "delay": delay.tolist()},
            "before": before.tolist(),
            "after": after.tolist(),
            "target": target.tolist(),
            "decisions": {
                "changed": [changed / ROWS, interval.low, interval.high],
                "no to yes": int((~a & b).sum()),
                "yes to no": int((a & ~b).sum()),
                "broken": int(((a != b) & (a == target)).sum()),
                "mended": int(((a != b) & (b == target)).sum()),
            },
            "mean": moves.mean(),
            "meanAbsolute": far.mean(),
            "quantiles": np.quantile(moves, [0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1]).tolist(),
            "histogram": {
                "edges": edges.tolist(),
                "counts": np.histogram(np.clip(moves, -high, high), edges)[0].tolist(),
            },
            "slices": slices,
        },
        separators=(",", ":"),
    )
)
