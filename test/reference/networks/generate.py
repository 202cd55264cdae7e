"""Feed-forward networks in ONNX and what ONNX Runtime says of some rows. Writes *.onnx and answers.json beside this file; see SOURCE.md."""

import json
import os
import warnings

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

warnings.filterwarnings("ignore")
HERE = os.path.dirname(os.path.abspath(__file__))
OPSETS = {"": 15, "ai.onnx.ml": 3}
rng = np.random.default_rng(7)
SCALES, SHIFTS = np.array([1.0, 10.0, 1000.0, 0.01]), np.array([0.0, -3.0, 2001.0, 0.5])
x = (rng.normal(size=(300, 4)) * SCALES + SHIFTS).astype(np.float32)
z = (x - SHIFTS) / SCALES
y2 = (z[:, 0] * z[:, 1] + z[:, 2] > 0).astype(int)
y3 = (z[:, 0] > 0).astype(int) + (z[:, 1] > 0)
rows = np.vstack([x[:40], x[:4] * 50])


def scaled(model, y):
    return make_pipeline(StandardScaler(), model).fit(x, y)


def graph(nodes, constants, output, shape, opset=20):
    parts = helper.make_graph(
        nodes,
        "main_graph",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", shape])],
        [numpy_helper.from_array(np.asarray(value, dtype=np.float32), name) for name, value in constants.items()],
    )
    return helper.make_model(parts, producer_name="pytorch", opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def torch_like(activation, last, n_last, gelu="tanh"):
    """As torch.onnx exports nn.Sequential(Linear(4, 8), act, Linear(8, 5), act, Linear(5, n), last): weights lie [out, in]."""
    w = [rng.normal(size=s) * 0.5 for s in [(8, 4), (8,), (5, 8), (5,), (n_last, 5), (n_last,)]]
    constants = {f"{layer}.{part}": w[2 * i + j] for i, layer in enumerate("024") for j, part in enumerate(["weight", "bias"])}
    constants |= {"mean": SHIFTS, "std": SCALES}
    gemm = lambda i, o, layer: helper.make_node("Gemm", [i, f"{layer}.weight", f"{layer}.bias"], [o], alpha=1.0, beta=1.0, transB=1)
    act = lambda i, o: helper.make_node(activation, [i], [o], **({"approximate": gelu} if activation == "Gelu" else {}))
    end = [helper.make_node(last, ["logits"], ["out"], **({"axis": -1} if last == "Softmax" else {}))] if last else []
    nodes = [
        helper.make_node("Sub", ["input", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "std"], ["scaled"]),
        gemm("scaled", "a", "0"),
        act("a", "b"),
        gemm("b", "c", "2"),
        act("c", "d"),
        gemm("d", "logits", "4"),
        *end,
    ]
    return graph(nodes, constants, "out" if last else "logits", n_last)


first = x[:1]
options = {"zipmap": False}
MODELS = {
    "sklearn-binary": to_onnx(scaled(MLPClassifier((8, 6), max_iter=80, random_state=1), y2), first, options=options, target_opset=OPSETS),
    "sklearn-classes": to_onnx(scaled(MLPClassifier((8,), max_iter=80, random_state=1), y3), first, options=options, target_opset=OPSETS),
    "sklearn-regression": to_onnx(scaled(MLPRegressor(hidden_layer_sizes=(8, 4), max_iter=80, random_state=1), z[:, 0] * 3), first, target_opset=OPSETS),
    "torch-sigmoid": torch_like("Relu", "Sigmoid", 1),
    "torch-two": torch_like("Gelu", "Softmax", 2),
    "torch-classes": torch_like("Relu", "Softmax", 4),
    "torch-value": torch_like("Gelu", None, 1),
    "torch-exact-gelu": torch_like("Gelu", None, 1, gelu="none"),
}


def main():
    answers = {"rows": rows.astype(float).tolist(), "outputs": {}}
    for name, model in MODELS.items():
        data = model.SerializeToString()
        with open(os.path.join(HERE, f"{name}.onnx"), "wb") as file:
            file.write(data)
        session = ort.InferenceSession(data, providers=["CPUExecutionProvider"])
        out = session.run(None, {session.get_inputs()[0].name: rows})[-1]
        answers["outputs"][name] = np.asarray(out, dtype=float).reshape(len(rows), -1).tolist()
    with open(os.path.join(HERE, "answers.json"), "w") as file:
        json.dump(answers, file)
    with open(os.path.join(HERE, "heads.json"), "w") as file:
        json.dump(heads(), file)


def heads():
    """Logistic regressions on what hidden layers of torch-sigmoid make of the rows: their probabilities for the rows they were fitted on."""
    model = MODELS["torch-sigmoid"]
    found = {"rows": x.astype(float).tolist(), "binary": y2.tolist(), "classes": y3.tolist(), "probabilities": {}}
    for layer, tensor in [(1, "b"), (2, "d")]:
        wide = helper.make_model(model.graph, opset_imports=model.opset_import, ir_version=9)
        wide.graph.output.append(helper.make_tensor_value_info(tensor, TensorProto.FLOAT, None))
        embedded = ort.InferenceSession(wide.SerializeToString()).run([tensor], {"input": x})[0].astype(float)
        for name, y in [("binary", y2), ("classes", y3)]:
            fit = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, tol=1e-10, max_iter=10000)).fit(embedded, y)
            found["probabilities"][f"{name}-{layer}"] = fit.predict_proba(embedded).tolist()
    return found


main()
