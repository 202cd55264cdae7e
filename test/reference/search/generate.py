"""Best values that optuna's samplers find on published test functions, over seeds. Writes optuna.json beside this file; see SOURCE.md."""

import json
import math
import os

import optuna

optuna.logging.set_verbosity(optuna.logging.WARNING)
TRIALS = 60
SEEDS = range(100)


def branin(p):
    x, y = p["x"], p["y"]
    a = y - 5.1 * x * x / (4 * math.pi**2) + 5 * x / math.pi - 6
    return a * a + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


H_A = [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
H_P = [
    [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
    [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
    [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
    [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
]
H_C = [1.0, 1.2, 3.0, 3.2]


def hartmann6(p):
    x = [p[f"x{i}"] for i in range(6)]
    return -sum(
        H_C[i] * math.exp(-sum(H_A[i][j] * (x[j] - H_P[i][j]) ** 2 for j in range(6))) for i in range(4)
    )


def mixed(p):
    """A log range, whole numbers and a choice together, as hyper-parameters are: least at rate 0.05, leaves 64, kind b."""
    penalty = {"a": 1.0, "b": 0.0, "c": 0.5}[p["kind"]]
    return (math.log10(p["rate"] / 0.05)) ** 2 + (math.log2(p["leaves"] / 64) / 2) ** 2 + penalty


FUNCTIONS = {
    "branin": (branin, lambda t: {"x": t.suggest_float("x", -5, 10), "y": t.suggest_float("y", 0, 15)}),
    "hartmann6": (hartmann6, lambda t: {f"x{i}": t.suggest_float(f"x{i}", 0, 1) for i in range(6)}),
    "mixed": (
        mixed,
        lambda t: {
            "rate": t.suggest_float("rate", 1e-4, 1, log=True),
            "leaves": t.suggest_int("leaves", 2, 1024, log=True),
            "kind": t.suggest_categorical("kind", ["a", "b", "c"]),
        },
    ),
}
SAMPLERS = {
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed, multivariate=False),
    "tpeMultivariate": lambda seed: optuna.samplers.TPESampler(seed=seed, multivariate=True),
}


def best(function, suggest, sampler):
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda t: function(suggest(t)), n_trials=TRIALS)
    return study.best_value


def main():
    found = {
        name: {key: [best(f, suggest, make(seed)) for seed in SEEDS] for key, make in SAMPLERS.items()}
        for name, (f, suggest) in FUNCTIONS.items()
    }
    out = {"trials": TRIALS, "seeds": len(SEEDS), "found": found}
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "optuna.json")
    with open(path, "w") as file:
        json.dump(out, file, indent=1)


main()
