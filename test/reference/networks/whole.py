"""Networks that ONNX Runtime must score whole, and what it says of some rows. Writes whole/*.onnx and whole/answers.json; see SOURCE.md."""

import json
import os
import warnings

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

warnings.filterwarnings("ignore")
HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "whole")
OPSETS = {"": 15, "ai.onnx.ml": 3}
rng = np.random.default_rng(11)
x = np.round(rng.normal(size=(240, 4)) * [1, 10, 100, 3], 3)
x[:, 3] = np.round(x[:, 3])
z = x / [1, 10, 100, 3]
y2 = (z[:, 0] * z[:, 1] + z[:, 2] > 0).astype(int)
kinds = np.array(["rain", "dry", "snow"])[(z[:, 0] > 0).astype(int) + (z[:, 1] > 0)]


def fitted(model, y):
    return make_pipeline(StandardScaler(), model).fit(x, y)


def mlp(**options):
    return MLPClassifier((6,), activation="tanh", max_iter=300, random_state=1, **options)


def graph(nodes, inputs, outputs, constants):
    parts = helper.make_graph(
        nodes,
        "main_graph",
        [helper.make_tensor_value_info(*one) for one in inputs],
        [helper.make_tensor_value_info(*one) for one in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(parts, producer_name="pytorch", opset_imports=opsets, ir_version=8)


node = helper.make_node


def residual(n_last, real=np.float32):
    """As torch.onnx exports a residual block: h = tanh(W x); y = V (h + tanh(U h)). No softmax: nn.CrossEntropyLoss has it."""
    kind = TensorProto.FLOAT if real is np.float32 else TensorProto.DOUBLE
    shapes = {"w": (4, 6), "u": (6, 6), "v": (6, n_last)}
    constants = {name: (rng.normal(size=shape) * 0.8).astype(real) for name, shape in shapes.items()}
    constants["scale"] = np.array([1, 10, 100, 3], dtype=real)
    nodes = [
        node("Div", ["input", "scale"], ["s"]),
        node("MatMul", ["s", "w"], ["a"]),
        node("Tanh", ["a"], ["h"]),
        node("MatMul", ["h", "u"], ["b"]),
        node("Tanh", ["b"], ["c"]),
        node("Add", ["h", "c"], ["d"]),
        node("MatMul", ["d", "v"], ["logits"]),
    ]
    return graph(nodes, [("input", kind, ["batch", 4])], [("logits", kind, ["batch", n_last])], constants)


def several():
    """Three inputs of their own names and types: a [n, 1] of floats, a [n, 2] of doubles, a [n] of integers; a sigmoid and an embedding beside it."""
    constants = {
        "w": (rng.normal(size=(4, 5)) * 0.5).astype(np.float32),
        "v": rng.normal(size=(5, 1)).astype(np.float32),
        "scale": np.array([1, 10, 100, 3], dtype=np.float32),
        "column": np.array([-1, 1], dtype=np.int64),
    }
    nodes = [
        node("Cast", ["middle"], ["m"], to=TensorProto.FLOAT),
        node("Cast", ["count"], ["k"], to=TensorProto.FLOAT),
        node("Reshape", ["k", "column"], ["q"]),
        node("Concat", ["first", "m", "q"], ["all"], axis=1),
        node("Div", ["all", "scale"], ["s"]),
        node("MatMul", ["s", "w"], ["a"]),
        node("Tanh", ["a"], ["embedding"]),
        node("MatMul", ["embedding", "v"], ["b"]),
        node("Sigmoid", ["b"], ["chance"]),
    ]
    inputs = [
        ("first", TensorProto.FLOAT, ["n", 1]),
        ("middle", TensorProto.DOUBLE, ["n", 2]),
        ("count", TensorProto.INT64, ["n"]),
    ]
    outputs = [("chance", TensorProto.FLOAT, ["n", 1]), ("embedding", TensorProto.FLOAT, ["n", 5])]
    return graph(nodes, inputs, outputs, constants)


first = x[:1].astype(np.float32)
MODELS = {
    # two classes [n, 2], softmax there
    "sklearn-binary": to_onnx(fitted(mlp(), y2), first, options={"zipmap": False}, target_opset=OPSETS),
    # names of classes, as maps: what skl2onnx does unless it is told not to
    "sklearn-maps": to_onnx(fitted(mlp(), kinds), first, target_opset=OPSETS),
    # a value [n, 1]
    "sklearn-value": to_onnx(
        fitted(MLPRegressor(hidden_layer_sizes=(6,), activation="tanh", max_iter=300, random_state=1), z[:, 0] * 3 + z[:, 1]), first, target_opset=OPSETS
    ),
    "torch-classes": residual(3),
    "torch-two": residual(2),
    "torch-double": residual(1, np.float64),
    "several": several(),
}


def feeds(session):
    given = {"first": x[:, :1].astype(np.float32), "middle": x[:, 1:3], "count": x[:, 3].astype(np.int64)}
    found = {}
    for port in session.get_inputs():
        real = np.float64 if "double" in port.type else np.float32
        found[port.name] = given.get(port.name, x.astype(real))
    return found


def main():
    os.makedirs(HERE, exist_ok=True)
    answers = {"rows": x.tolist(), "binary": y2.tolist(), "kinds": kinds.tolist(), "outputs": {}}
    for name, model in MODELS.items():
        data = model.SerializeToString()
        with open(os.path.join(HERE, f"{name}.onnx"), "wb") as file:
            file.write(data)
        session = ort.InferenceSession(data, providers=["CPUExecutionProvider"])
        outputs = dict(zip([o.name for o in session.get_outputs()], session.run(None, feeds(session))))
        chosen = outputs.get("chance", list(outputs.values())[-1])
        if isinstance(chosen, list):
            chosen = [[row[label] for label in ("dry", "rain", "snow")] for row in chosen]
        answers["outputs"][name] = np.asarray(chosen, dtype=float).reshape(len(x), -1).tolist()
    with open(os.path.join(HERE, "answers.json"), "w") as file:
        json.dump(answers, file)


main()
