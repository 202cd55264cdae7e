"""
NDCG@10 that LightGBM's rank_xendcg reaches on the ranking set of objectives.py. Run: python xendcg.py > xendcg.json

`spread` is the standard deviation over twelve seeds of the objective's own draws.
"""
import ast
import json
import math
import pathlib
import lightgbm as lgb
import numpy as np
from sklearn import metrics as m

# The generator stands in objectives.py, which cannot be imported without running it.
source = (pathlib.Path(__file__).parent / 'objectives.py').read_text()
M32 = 0xffffffff
for node in ast.parse(source).body:
    if isinstance(node, ast.ClassDef) and node.name == 'Rng':
        exec(ast.get_source_segment(source, node))


def queries(seed, count, size=20, features=6):
    draw = Rng(seed)
    rows, labels = [], []
    for _ in range(count):
        mood = 1.5 * draw.normal()
        for _ in range(size):
            f = [draw.normal() for _ in range(features)]
            raw = mood + f[0] + (1. if f[2] > .5 else 0.) + .7 * f[3] * f[4] + draw.normal()
            rows.append([mood + .3 * f[5]] + f[:5])
            labels.append(float(min(4, max(0, math.floor(raw + 1.5)))))
    return np.array(rows), np.array(labels), [size] * count


def ndcg10(y, p, sizes):
    total, at = [], 0
    for size in sizes:
        part = slice(at, at + size)
        if y[part].max() > 0: total.append(m.ndcg_score([2 ** y[part] - 1], [p[part]], k=10))
        at += size
    return float(np.mean(total))


PARAMS = dict(objective='rank_xendcg', num_leaves=15, learning_rate=.1, min_data_in_leaf=20, lambda_l2=1, verbose=-1, deterministic=True, num_threads=1, min_data_in_bin=1)
(a, y, sizes), (b, z, tests) = queries(1, 300), queries(2, 500)
found = [
    ndcg10(z, lgb.train({**PARAMS, 'objective_seed': seed}, lgb.Dataset(a, y, group=sizes), 60).predict(b), tests)
    for seed in range(1, 13)
]
print(json.dumps(dict(lightgbm=float(np.mean(found)), spread=float(np.std(found, ddof=1)))))
