"""KNN-Shapley values by their definition: the weighted mean over all subsets of the other rows of what a row adds. Prints knn-shapley.json."""

import json
from fractions import Fraction
from itertools import combinations
from math import comb

import numpy as np


def utility(subset, x, y, query, wanted, k):
    nearest = sorted(subset, key=lambda i: (float(np.sum((x[i] - query) ** 2)), i))[:k]
    return Fraction(sum(1 for i in nearest if y[i] == wanted), k)


def shapley(x, y, query, wanted, k, players):
    n = len(players)
    worth = {i: Fraction(0) for i in players}
    value = {
        frozenset(s): utility(s, x, y, query, wanted, k) for size in range(n + 1) for s in combinations(players, size)
    }
    for i in players:
        others = [j for j in players if j != i]
        for size in range(n):
            weight = Fraction(1, n * comb(n - 1, size))
            for s in combinations(others, size):
                worth[i] += weight * (value[frozenset(s) | {i}] - value[frozenset(s)])
    return worth


def case(name, x, y, tests, k):
    x = np.array(x, dtype=float).reshape(len(y), -1)
    total = [Fraction(0)] * len(y)
    if tests is None:
        rounds = [(x[i], y[i], [j for j in range(len(y)) if j != i]) for i in range(len(y))]
    else:
        rounds = [(np.atleast_1d(np.array(q, dtype=float)), w, list(range(len(y)))) for q, w in tests]
    utilities = Fraction(0)
    for query, wanted, players in rounds:
        for i, v in shapley(x, y, query, wanted, k, players).items():
            total[i] += v
        utilities += utility(players, x, y, query, wanted, k)
    return {
        "name": name,
        "k": k,
        "points": x.tolist(),
        "labels": list(y),
        "tests": None if tests is None else [{"point": np.atleast_1d(q).tolist(), "label": w} for q, w in tests],
        "worth": [float(v / len(rounds)) for v in total],
        "utility": float(utilities / len(rounds)),
    }


LINE = [0.05, 0.10, 0.22, 0.31, 0.47, 0.55, 0.68, 0.90]
LABELS = [0, 0, 1, 0, 1, 1, 0, 1]
TESTS = [(0.15, 0), (0.5, 1), (0.8, 1)]

cases = [case(f"line, K={k}", LINE, LABELS, TESTS, k) for k in (1, 3, 5, 8, 12)]
cases += [case(f"five by themselves, K={k}", [0, 1, 2, 3, 4], [0, 1, 0, 1, 0], None, k) for k in (3, 4)]
cases += [case("one row", [0.5], [1], TESTS, 3), case("ties", [1, 1, -1, 1, -1], [0, 1, 1, 0, 2], [(0, 1), (1, 0)], 2)]
rng = np.random.default_rng(20261127)
for i in range(12):
    n, width, k = int(rng.integers(2, 10)), int(rng.integers(1, 4)), int(rng.integers(1, 7))
    x = rng.integers(-2, 3, (n, width)) if i % 2 else np.round(rng.normal(size=(n, width)), 3)
    tests = [(np.round(rng.normal(size=width), 3).tolist(), int(rng.integers(0, 3))) for _ in range(3)]
    cases.append(case(f"drawn {i}", x.tolist(), [int(v) for v in rng.integers(0, 3, n)], tests if i % 3 else None, k))
print(json.dumps(cases, indent=None, separators=(",", ":")).replace('},{"name"', '},\n{"name"'))
