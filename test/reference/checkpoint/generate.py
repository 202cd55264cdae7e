"""Checkpoints written by the safetensors and onnx packages, and what numpy makes of them: means, TIES, differences. See SOURCE.md."""

import hashlib
import json

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

rng = np.random.default_rng(20261128)
BF16 = ml_dtypes.bfloat16


def checkpoint(seed):
    r = np.random.default_rng(seed)
    return {
        "dense.weight": r.normal(0, 1, (17, 13)).astype(np.float32),
        "dense.bias": r.normal(0, 1, 17).astype(np.float16),
        "norm": r.normal(0, 1, 29).astype(np.float64),
        "half": r.normal(0, 3, (5, 7)).astype(BF16),
        "scalar": np.array(r.normal(), dtype=np.float32),
        "empty": np.zeros((0, 4), dtype=np.float32),
    }


base = checkpoint(1)
models = []
for seed in (2, 3, 4):
    model = {}
    for name, value in base.items():
        r = np.random.default_rng(seed * 100 + len(name))
        step = r.normal(0, 0.1, value.shape) * (r.random(value.shape) < 0.7)
        model[name] = (value.astype(np.float64) + step).astype(value.dtype)
    models.append(model)
extra = {"steps": np.array([7, 8, 9], dtype=np.int64)}
odd = {"odd": np.ones((2, 3), dtype=np.float32)}
save_file({**base, **extra, **odd}, "base.safetensors", metadata={"format": "np"})
save_file({**models[0], **extra, **odd}, "a.safetensors")
save_file({**models[1], **extra, "odd": np.ones((3, 2), dtype=np.float32)}, "b.safetensors")
save_file({**models[2], **extra}, "c.safetensors")


def listed(tensors):
    return {name: value.astype(np.float64).ravel().tolist() for name, value in tensors.items()}


def average(weights):
    out = {}
    for name, value in base.items():
        total = sum(w * m[name].astype(np.float64) for w, m in zip(weights, models))
        out[name] = (total / sum(weights)).astype(value.dtype)
    return listed(out)


def trimmed(task, density):
    """Keeps what is at least as large as the n-th largest, n = floor(density * size)."""
    n = int(density * task.size)
    if n == 0:
        return np.zeros_like(task)
    limit = np.partition(np.abs(task), task.size - n)[task.size - n]
    return np.where(np.abs(task) >= limit, task, np.float32(0))


def ties(density, scale, weights, trim):
    names = list(base)
    tasks = [np.concatenate([(m[n].astype(np.float64) - base[n].astype(np.float64)).astype(np.float32).ravel() for n in names]) for m in models]
    sizes = [base[n].size for n in names]
    cuts = np.cumsum(sizes)[:-1]
    if trim == "model":
        tasks = [trimmed(t, density) for t in tasks]
    else:
        tasks = [np.concatenate([trimmed(part, density) for part in np.split(t, cuts)]) for t in tasks]
    stack = np.stack(tasks).astype(np.float64)
    w = np.array(weights, dtype=np.float64)[:, None]
    signs = np.sign((w * stack).sum(axis=0))
    if trim == "model":
        signs[signs == 0] = np.sign(signs.sum())
    else:
        parts = []
        for part in np.split(signs, cuts):
            part = part.copy()
            part[part == 0] = np.sign(part.sum())
            parts.append(part)
        signs = np.concatenate(parts)
    agrees = (np.sign(stack) == signs[None, :]) & (stack != 0)
    mass = (w * agrees).sum(axis=0)
    mean = np.divide((w * stack * agrees).sum(axis=0), mass, out=np.zeros(stack.shape[1]), where=mass > 0)
    out = {}
    for name, part in zip(names, np.split(mean, cuts)):
        value = base[name]
        out[name] = (value.astype(np.float64) + scale * part.reshape(value.shape)).astype(value.dtype)
    return listed(out)


def difference(before, after):
    out = {}
    for name in before:
        was = before[name].astype(np.float64)
        delta = np.abs(after[name].astype(np.float64) - was)
        if before[name].tobytes() != after[name].tobytes():
            out[name] = {
                "maxAbs": float(delta.max()),
                "meanAbs": float(delta.mean()),
                "norm": float(np.linalg.norm(delta)),
                "normBefore": float(np.linalg.norm(was)),
                "nChanged": int((delta != 0).sum()),
            }
    return out


def onnx_fixture():
    arrays = {
        "raw": rng.normal(size=(40, 50)).astype(np.float32),
        "ints": rng.integers(-5, 5, (6,)).astype(np.int64),
        "half": rng.normal(size=(33,)).astype(np.float16),
    }
    initializers = [numpy_helper.from_array(v, n) for n, v in arrays.items()]
    typed = rng.normal(size=(8, 8)).astype(np.float32)
    initializers.append(helper.make_tensor("typed", TensorProto.FLOAT, typed.shape, typed.ravel().tolist()))
    arrays["typed"] = typed
    nodes = [helper.make_node("Identity", [n], [n + "_out"]) for n in arrays]
    outputs = [helper.make_tensor_value_info(n + "_out", i.data_type, list(i.dims)) for n, i in zip(arrays, initializers)]
    model = helper.make_model(helper.make_graph(nodes, "g", [], outputs, initializers))
    onnx.save(model, "inline.onnx")
    onnx.save(model, "external.onnx", save_as_external_data=True, location="external.bin", size_threshold=1024)
    return {n: {"shape": list(v.shape), "sha256": hashlib.sha256(v.tobytes()).hexdigest()} for n, v in arrays.items()}


expected = {
    "average": average([1, 1, 1]),
    "weighted": average([3, 1, 0.5]),
    "ties": [
        {"density": d, "scale": s, "weights": w, "trim": t, "tensors": ties(d, s, w, t)}
        for d, s, w, t in [
            (0.2, 1, [1, 1, 1], "model"),
            (0.5, 0.7, [1, 2, 0.5], "model"),
            (0.3, 1, [1, 1, 1], "tensor"),
            (1, 1, [1, 1, 1], "model"),
        ]
    ],
    "diff": difference(base, models[0]),
    "onnx": onnx_fixture(),
    "numbers": {
        "F8_E4M3": [None if np.isnan(x) else float(x) for x in np.arange(256, dtype=np.uint8).view(ml_dtypes.float8_e4m3fn).astype(np.float64)],
        "F8_E5M2": [None if np.isnan(x) else str(float(x)) for x in np.arange(256, dtype=np.uint8).view(ml_dtypes.float8_e5m2).astype(np.float64)],
    },
}
values = np.concatenate([rng.normal(0, 10 ** rng.integers(-9, 6, 300).astype(float)), [0.0, -0.0, 65504, 65519.99, 65520, 1e-8, 5.960464477539063e-08, 2.98e-08, 1.00390625, 1.01171875, 3.4e38]])
expected["rounded"] = {
    "values": values.tolist(),
    "F16": values.astype(np.float16).view(np.uint16).tolist(),
    "BF16": values.astype(BF16).view(np.uint16).tolist(),
}
with open("expected.json", "w") as file:
    json.dump(expected, file)
