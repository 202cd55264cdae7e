"""The models that all servers serve, rows to ask them with, and what ONNX Runtime alone answers: `models/<name>.onnx`, `<name>.rows` (float32) and `<name>.json` in a folder.

Two more, in `more/`, are asked of ours alone: one that reads an image and computes next to nothing, and one that takes as long as it is told."""

import hashlib
import json
import os

import numpy as np
import onnx
import onnxruntime
from figures import arguments, emit
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from sklearn.datasets import load_iris, make_classification
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

ROWS = 64
OPSET = 17


def tabular(fit, rows):
    """A classifier as its field exports it: a label and an array of probabilities."""
    return to_onnx(
        fit, initial_types=[("x", float_rows(rows.shape[1]))], options={"zipmap": False}, target_opset=OPSET
    )


def float_rows(width):
    from skl2onnx.common.data_types import FloatTensorType

    return FloatTensorType([None, width])


def iris():
    x, y = load_iris(return_X_y=True)
    return tabular(LogisticRegression(max_iter=1000).fit(x, y), x), x[:: len(x) // ROWS][:ROWS]


def gbdt():
    """100 trees of depth 6 over 30 features."""
    x, y = make_classification(10_000, 30, n_informative=20, n_redundant=4, random_state=7)
    x = x.round(4)
    fit = GradientBoostingClassifier(n_estimators=100, max_depth=6, max_features=6, random_state=7)
    return tabular(fit.fit(x, y), x), x[:ROWS]


class Graph:
    """A net with seeded weights, layer by layer."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.weights, self.last = [], [], "x"

    def weight(self, *shape, fan_in):
        name = f"w{len(self.weights)}"
        values = self.rng.normal(0, np.sqrt(2 / fan_in), shape).astype(np.float32)
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def node(self, op, *more, given=None, **attributes):
        out = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, [given or self.last, *more], [out], **attributes))
        self.last = out
        return out

    def dense(self, width_in, width_out):
        self.node("Gemm", self.weight(width_in, width_out, fan_in=width_in), self.weight(width_out, fan_in=width_out))

    def conv(self, channels_in, channels_out, size=3, stride=1, given=None, damped=1):
        fan_in = channels_in * size * size * damped
        pads = [size // 2] * 4
        weight = self.weight(channels_out, channels_in, size, size, fan_in=fan_in)
        return self.node("Conv", weight, self.weight(channels_out, fan_in=fan_in), given=given, strides=[stride] * 2, pads=pads)

    def model(self, shape):
        out = self.node("Softmax", axis=1)
        given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", *shape])
        gives = helper.make_tensor_value_info(out, TensorProto.FLOAT, ["rows", 10])
        graph = helper.make_graph(self.nodes, "net", [given], [gives], self.weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)


def mlp():
    net = Graph(3)
    for width_in, width_out in ((64, 256), (256, 256), (256, 10)):
        net.dense(width_in, width_out)
        if width_out != 10:
            net.node("Relu")
    return net.model([64]), np.random.default_rng(4).normal(0, 1, (ROWS, 64)).round(4)


def conv():
    """ResNet-18 of half its width: 0.5 billion multiplications an image of 224 by 224."""
    net = Graph(5)
    net.conv(3, 32, size=7, stride=2)
    net.node("Relu")
    net.node("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    channels = 32
    for wide in (32, 64, 128, 256):
        for _ in range(2):
            stride, before = (1 if wide == channels else 2), net.last
            net.conv(channels, wide, stride=stride)
            net.node("Relu")
            inner = net.conv(wide, wide, damped=16)
            straight = before if wide == channels else net.conv(channels, wide, size=1, stride=stride, given=before)
            net.node("Add", straight, given=inner)
            net.node("Relu")
            channels = wide
    net.node("GlobalAveragePool")
    net.node("Flatten")
    net.dense(256, 10)
    return net.model([3, 224, 224]), np.random.default_rng(6).normal(0, 1, (4, 3, 224, 224)).round(4)


def image():
    """The mean of each channel."""
    net = Graph(8)
    net.node("GlobalAveragePool")
    net.node("Flatten")
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 3, 224, 224])
    gives = helper.make_tensor_value_info(net.last, TensorProto.FLOAT, ["rows", 3])
    graph = helper.make_graph(net.nodes, "image", [given], [gives])
    rows = np.random.default_rng(9).normal(0, 1, (4, 3, 224, 224)).round(4)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8), rows


def slow():
    """Adds 1 to `x`, `turns` times, one after the other."""
    number = lambda name, kind, shape: helper.make_tensor_value_info(name, kind, shape)
    one = helper.make_tensor("one", TensorProto.FLOAT, [], [1.0])
    body = helper.make_graph(
        [helper.make_node("Add", ["at", "one"], ["next"]), helper.make_node("Identity", ["on"], ["still"])],
        "body",
        [number("i", TensorProto.INT64, []), number("on", TensorProto.BOOL, []), number("at", TensorProto.FLOAT, [1])],
        [number("still", TensorProto.BOOL, []), number("next", TensorProto.FLOAT, [1])],
        [one],
    )
    graph = helper.make_graph(
        [helper.make_node("Squeeze", ["turns"], ["times"]), helper.make_node("Loop", ["times", "go", "x"], ["y"], body=body)],
        "slow",
        [number("turns", TensorProto.INT64, [1]), number("x", TensorProto.FLOAT, [1])],
        [number("y", TensorProto.FLOAT, [1])],
        [helper.make_tensor("go", TensorProto.BOOL, [], [True])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)


def write_model(folder, name, content):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, f"{name}.onnx"), "wb") as file:
        file.write(content)


def write(folder, place, name, model, rows):
    content = model.SerializeToString()
    write_model(os.path.join(folder, place), name, content)
    rows = np.ascontiguousarray(rows, dtype=np.float32)
    rows.tofile(os.path.join(folder, f"{name}.rows"))
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    outputs = [output.name for output in session.get_outputs()]
    answers = [session.run(None, {"x": rows[i : i + 1]}) for i in range(len(rows))]
    described = {
        "name": name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "shape": list(rows.shape[1:]),
        "rows": len(rows),
        "outputs": outputs,
        "answers": {output: [answer[i].ravel().tolist() for answer in answers] for i, output in enumerate(outputs)},
    }
    with open(os.path.join(folder, f"{name}.json"), "w") as file:
        json.dump(described, file)
    emit(name=name, sha256=described["sha256"], bytes=len(content))


def main():
    folder = arguments()["folder"]
    write_model(os.path.join(folder, "more"), "slow", slow().SerializeToString())
    write(folder, "more", "image", *image())
    for make in (iris, gbdt, mlp, conv):
        write(folder, "models", make.__name__, *make())


main()
