"""A small convolutional net on digits, trained by numpy and written as ONNX; and ART's two detectors on the activations that ours reads."""

import numpy as np
from figures import arguments, cpu, emit

SIDE = 28
FILTERS = (8, 16)
HIDDEN = 48


def patches(x, size, stride):
    """[n, c, h, w] -> [n, oh, ow, c * size * size], a copy."""
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(2, 3))[:, :, ::stride, ::stride]
    n, c, oh, ow = windows.shape[:4]
    return np.ascontiguousarray(windows.transpose(0, 2, 3, 1, 4, 5)).reshape(n, oh, ow, c * size * size)


class Net:
    """Conv 5x5/2 (8) - Relu - Conv 3x3 (16) - Relu - MaxPool 2 - Gemm 48 - Relu - Gemm classes."""

    def __init__(self, rng, classes=10):
        he = lambda out, fan: rng.normal(0, np.sqrt(2 / fan), (out, fan)).astype(np.float32)
        self.w = [he(FILTERS[0], 25), he(FILTERS[1], FILTERS[0] * 9), he(HIDDEN, 400), he(classes, HIDDEN)]
        self.b = [np.zeros(len(w), np.float32) for w in self.w]

    def forward(self, x):
        w, b = self.w, self.b
        self.p1 = patches(x.reshape(-1, 1, SIDE, SIDE), 5, 2)
        self.a1 = np.maximum(self.p1 @ w[0].T + b[0], 0)  # n, 12, 12, 8
        self.p2 = patches(self.a1.transpose(0, 3, 1, 2), 3, 1)
        self.a2 = np.maximum(self.p2 @ w[1].T + b[1], 0)  # n, 10, 10, 16
        n = len(x)
        self.blocks = self.a2.reshape(n, 5, 2, 5, 2, FILTERS[1])
        self.pooled = self.blocks.max(axis=(2, 4))
        self.flat = self.pooled.transpose(0, 3, 1, 2).reshape(n, 400)
        self.h = np.maximum(self.flat @ w[2].T + b[2], 0)
        return self.h @ w[3].T + b[3]

    def gradients(self, x, y):
        logits = self.forward(x)
        n = len(x)
        p = np.exp(logits - logits.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        p[np.arange(n), y] -= 1
        d = p / n
        gw, gb = [None] * 4, [None] * 4
        gw[3], gb[3] = d.T @ self.h, d.sum(0)
        d = (d @ self.w[3]) * (self.h > 0)
        gw[2], gb[2] = d.T @ self.flat, d.sum(0)
        d = (d @ self.w[2]).reshape(n, FILTERS[1], 5, 5).transpose(0, 2, 3, 1)
        hit = (self.blocks == self.pooled[:, :, None, :, None, :]) & (self.blocks > 0)
        d = (hit * d[:, :, None, :, None, :]).reshape(n, 10, 10, FILTERS[1])
        gw[1], gb[1] = np.tensordot(d, self.p2, ((0, 1, 2), (0, 1, 2))), d.sum((0, 1, 2))
        back = (d @ self.w[1]).reshape(n, 10, 10, FILTERS[0], 3, 3)
        d1 = np.zeros((n, 12, 12, FILTERS[0]), np.float32)
        for i in range(3):
            for j in range(3):
                d1[:, i : i + 10, j : j + 10] += back[..., i, j]
        d1 *= self.a1 > 0
        gw[0], gb[0] = np.tensordot(d1, self.p1, ((0, 1, 2), (0, 1, 2))), d1.sum((0, 1, 2))
        return gw, gb

    def train(self, x, y, rng, epochs=4, batch=64, rate=2e-3):
        """Adam."""
        params = self.w + self.b
        first = [np.zeros_like(p) for p in params]
        second = [np.zeros_like(p) for p in params]
        step = 0
        for epoch in range(epochs):
            order = rng.permutation(len(x))
            for at in range(0, len(x), batch):
                some = order[at : at + batch]
                gw, gb = self.gradients(x[some], y[some])
                step += 1
                lr = rate * (0.3 if epoch == epochs - 1 else 1) * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
                for p, m, v, g in zip(params, first, second, gw + gb):
                    m += 0.1 * (g - m)
                    v += 0.001 * (g * g - v)
                    p -= (lr * m / (np.sqrt(v) + 1e-8)).astype(np.float32)

    def predict(self, x):
        return np.concatenate([self.forward(x[at : at + 1000]).argmax(1) for at in range(0, len(x), 1000)])

    def hidden(self, x):
        parts = []
        for at in range(0, len(x), 1000):
            self.forward(x[at : at + 1000])
            parts.append(self.h.copy())
        return np.concatenate(parts)

    def onnx(self):
        from onnx import TensorProto, helper, numpy_helper

        shapes = [(FILTERS[0], 1, 5, 5), (FILTERS[1], FILTERS[0], 3, 3), self.w[2].shape, self.w[3].shape]
        constants = [numpy_helper.from_array(w.reshape(s), f"w{i}") for i, (w, s) in enumerate(zip(self.w, shapes))]
        constants += [numpy_helper.from_array(b, f"b{i}") for i, b in enumerate(self.b)]
        make = helper.make_node
        nodes = [
            make("Conv", ["image", "w0", "b0"], ["c0"], kernel_shape=[5, 5], strides=[2, 2]),
            make("Relu", ["c0"], ["r0"]),
            make("Conv", ["r0", "w1", "b1"], ["c1"], kernel_shape=[3, 3]),
            make("Relu", ["c1"], ["r1"]),
            make("MaxPool", ["r1"], ["m1"], kernel_shape=[2, 2], strides=[2, 2]),
            make("Flatten", ["m1"], ["f1"], axis=1),
            make("Gemm", ["f1", "w2", "b2"], ["g2"], transB=1),
            make("Relu", ["g2"], ["hidden"]),
            make("Gemm", ["hidden", "w3", "b3"], ["logits"], transB=1),
        ]
        floats = TensorProto.FLOAT
        graph = helper.make_graph(
            nodes,
            "digits",
            [helper.make_tensor_value_info("image", floats, ["n", 1, SIDE, SIDE])],
            [helper.make_tensor_value_info("logits", floats, ["n", len(self.b[3])])],
            constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="digits")
        model.ir_version = 8
        return model.SerializeToString()


class Layer:
    """What ART asks of a classifier: one layer, read before."""

    layer_names = ["hidden"]

    def __init__(self, hidden, classes=10):
        self.values = hidden
        self.nb_classes = classes

    def get_activations(self, x, layer, batch_size):
        return self.values


def art(hidden, x, y, seed):
    """Rows that ART's detectors would take out, at their defaults."""
    from art import __version__
    from art.defences.detector.poison import ActivationDefence, SpectralSignatureDefense

    found = {"version": __version__}
    for name, defence in (("activation", ActivationDefence), ("spectral", SpectralSignatureDefense)):
        np.random.seed(seed)
        with cpu() as spent:
            _, is_clean = defence(Layer(hidden), x, y).detect_poison()
        found[name] = {"rows": np.flatnonzero(np.asarray(is_clean) == 0).tolist(), "cpu": spent["cpu"]}
    return found


def train(asked):
    """Trains on the rows of `images`, `labels` that `keep` says, and measures on the test files."""
    x = np.ascontiguousarray(np.load(asked["images"]).reshape(-1, SIDE * SIDE), np.float32)
    y = np.load(asked["labels"]).astype(int)
    if "keep" in asked:
        kept = np.load(asked["keep"]).astype(bool)
        x, y = x[kept], y[kept]
    rng = np.random.default_rng(asked["seed"])
    with cpu() as spent:
        net = Net(rng)
        if asked.get("bootstrap"):
            some = rng.integers(0, len(x), len(x))
            x, y = x[some], y[some]
        net.train(x, y, rng, epochs=asked.get("epochs", 4))
    if "onnx" in asked:
        with open(asked["onnx"], "wb") as file:
            file.write(net.onnx())
    if "hidden" in asked:
        np.save(asked["hidden"], np.ascontiguousarray(net.hidden(x), np.float64))
    detected = {"art": art(net.hidden(x), x, y, asked["seed"])} if asked.get("art") else {}
    tests = {}
    for name, files in asked.get("tests", {}).items():
        said = net.predict(np.load(files["images"]).reshape(-1, SIDE * SIDE).astype(np.float32))
        tests[name] = float(np.mean(said == np.load(files["labels"]).astype(int)))
    emit(cpu=spent["cpu"], tests=tests, **detected)


if __name__ == "__main__":
    asked = arguments()
    train(asked)
