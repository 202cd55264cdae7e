"""KNN-Shapley values of a regression by their definition: the weighted mean over all subsets of the other rows of what a row adds. Prints knn-shapley-numbers.json."""

import json
from fractions import Fraction
from itertools import combinations
from math import comb

import numpy as np


def utility(subset, x, y, query, wanted, k):
    nearest = sorted(subset, key=lambda i: (float(np.sum((x[i] - query) ** 2)), i))[:k]
    answer = sum((y[i] for i in nearest), Fraction(0)) / k
    return wanted**2 - (answer - wanted) ** 2


def shapley(x, y, query, wanted, k):
    n = len(y)
    worth = [Fraction(0)] * n
    value = {
        frozenset(s): utility(s, x, y, query, wanted, k) for size in range(n + 1) for s in combinations(range(n), size)
    }
    for i in range(n):
        others = [j for j in range(n) if j != i]
        for size in range(n):
            weight = Fraction(1, n * comb(n - 1, size))
            for s in combinations(others, size):
                worth[i] += weight * (value[frozenset(s) | {i}] - value[frozenset(s)])
    return worth


def case(name, x, y, tests, k):
    x = np.array(x, dtype=float).reshape(len(y), -1)
    exact = [Fraction(v) for v in y]
    total = [Fraction(0)] * len(y)
    utilities = Fraction(0)
    for q, w in tests:
        query = np.atleast_1d(np.array(q, dtype=float))
        for i, v in enumerate(shapley(x, exact, query, Fraction(w), k)):
            total[i] += v
        utilities += utility(range(len(y)), x, exact, query, Fraction(w), k)
    return {
        "name": name,
        "k": k,
        "points": x.tolist(),
        "targets": list(y),
        "tests": [{"point": np.atleast_1d(q).tolist(), "target": w} for q, w in tests],
        "worth": [float(v / len(tests)) for v in total],
        "utility": float(utilities / len(tests)),
    }


LINE = [0.05, 0.10, 0.22, 0.31, 0.47, 0.55, 0.68, 0.90]
TARGETS = [-1.5, 0.25, 2.0, -0.75, 3.5, 1.0, -2.25, 0.5]
TESTS = [(0.15, 0.5), (0.5, -1.25), (0.8, 2.0)]

cases = [case(f"line, K={k}", LINE, TARGETS, TESTS, k) for k in (1, 2, 3, 5, 8, 12)]
cases += [case("one row", [0.5], [1.5], TESTS, 3), case("two rows", [0.5, 0.1], [1.5, -2.0], TESTS, 1)]
cases += [case("ties", [1, 1, -1, 1, -1], [0.0, 1.0, 1.5, -3.0, 2.0], [(0, 1.0), (1, 0.0)], 2)]
rng = np.random.default_rng(20261127)
for i in range(12):
    n, width, k = int(rng.integers(2, 10)), int(rng.integers(1, 4)), int(rng.integers(1, 7))
    x = rng.integers(-2, 3, (n, width)) if i % 2 else np.round(rng.normal(size=(n, width)), 3)
    tests = [(np.round(rng.normal(size=width), 3).tolist(), round(float(rng.normal(0, 2)), 3)) for _ in range(3)]
    y = np.round(rng.normal(0, 10 ** int(rng.integers(-1, 3)), n), 3)
    cases.append(case(f"drawn {i}", x.tolist(), [float(v) for v in y], tests, k))
print(json.dumps(cases, indent=None, separators=(",", ":")).replace('},{"name"', '},\n{"name"'))
