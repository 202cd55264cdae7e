"""Asks a server of models by Triton's own clients, over HTTP and gRPC, and prints one JSON line a check: {"name", "ok", "got"}.

usage: triton.py http-host:port grpc-host:port
"""
import json
import sys

import numpy as np
import tritonclient.grpc as grpc_client
import tritonclient.http as http_client
from tritonclient.utils import InferenceServerException

http_url, grpc_url = sys.argv[1], sys.argv[2]


def check(name, ok, got=""):
    print(json.dumps({"name": name, "ok": bool(ok), "got": str(got)[:300]}), flush=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def suite(kind, lib, client, binary):
    extra = {} if binary is None else {"binary_data": binary}
    label = kind + ("" if binary is None else ", binary" if binary else ", JSON")

    def put(name, array, datatype):
        tensor = lib.InferInput(name, list(array.shape), datatype)
        tensor.set_data_from_numpy(array, **extra)
        return tensor

    def want(name):
        return lib.InferRequestedOutput(name, **extra)

    rows = np.array([[1, 2, 3], [0, -1, 0]], np.float32)
    got = client.infer("late", [put("x", rows, "FP32")], outputs=[want("y")], request_id="r1").as_numpy("y")
    check(f"{label}: floats", np.allclose(got, sigmoid(rows[:, 1:2]), atol=1e-6), got)
    got = client.infer("late", [put("x", rows, "FP32")], model_version="1").as_numpy("y")
    check(f"{label}: a version", np.allclose(got, sigmoid(rows[:, :1]), atol=1e-6), got)
    a, b = np.arange(4, dtype=np.int32).reshape(2, 2), np.ones((2, 2), np.int32)
    both = client.infer("addsub", [put("INPUT0", a, "INT32"), put("INPUT1", b, "INT32")], outputs=[want("OUTPUT1"), want("OUTPUT0")])
    check(f"{label}: several inputs", np.array_equal(both.as_numpy("OUTPUT0"), a + b) and np.array_equal(both.as_numpy("OUTPUT1"), a - b))
    texts = np.array(["Zürich".encode(), b"", b"x" * 1000], np.object_)
    got = client.infer("texts", [put("s", texts, "BYTES")], outputs=[want("t")]).as_numpy("t")
    check(f"{label}: BYTES", [t if isinstance(t, bytes) else t.encode() for t in got] == list(texts), got)
    if binary is not False:  # the client itself sends halves in binary only
        halves = np.array([1.5, -2, 65504, 6e-8], np.float16)
        got = client.infer("halves", [put("s", halves, "FP16")], outputs=[want("t")]).as_numpy("t")
        check(f"{label}: FP16", np.array_equal(got, halves), got)
    wide = np.zeros((3, 6), np.float64)
    got = client.infer("trees", [put("input", wide, "FP64")], outputs=[want("predict")]).as_numpy("predict")
    check(f"{label}: trees", got.shape == (3,) and np.all((got > 0) & (got < 1)), got)
    refusals = {
        "shape": lambda: client.infer("late", [put("x", rows[:, :2].copy(), "FP32")]),
        "name": lambda: client.infer("late", [put("z", rows, "FP32")]),
        "datatype": lambda: client.infer("late", [put("x", rows.astype(np.float64), "FP64")]),
        "model": lambda: client.infer("none", [put("x", rows, "FP32")]),
        "version": lambda: client.infer("late", [put("x", rows, "FP32")], model_version="9"),
        "output": lambda: client.infer("late", [put("x", rows, "FP32")], outputs=[want("q")]),
        "input left out": lambda: client.infer("addsub", [put("INPUT0", a, "INT32")]),
        "rows": lambda: client.infer("late", [put("x", np.zeros((9, 3), np.float32), "FP32")]),
    }
    for name, ask in refusals.items():
        try:
            ask()
            check(f"{label}: wrong {name}", False, "answered")
        except InferenceServerException as error:
            check(f"{label}: wrong {name}", "MR_" in str(error), error)


def about(kind, client):
    field = (lambda x, name: x[name]) if kind == "http" else getattr
    check(f"{kind}: live", client.is_server_live())
    check(f"{kind}: a model is ready", client.is_model_ready("late"))
    check(f"{kind}: an unknown one is not", not client.is_model_ready("none"))
    check(f"{kind}: server metadata", field(client.get_server_metadata(), "name") == "millrace")
    metadata = client.get_model_metadata("late")
    inputs = field(metadata, "inputs")[0]
    check(f"{kind}: model metadata", [field(inputs, k) for k in ("name", "datatype")] == ["x", "FP32"] and [int(n) for n in field(inputs, "shape")] == [-1, 3], metadata)
    config = client.get_model_config("late")
    config = config if kind == "http" else config.config
    check(f"{kind}: configuration", int(field(config, "max_batch_size")) == 4, config)
    index = client.get_model_repository_index()
    check(f"{kind}: index", len(index if kind == "http" else index.models) >= 7, index)
    client.unload_model("addsub")
    check(f"{kind}: unloaded", not client.is_model_ready("addsub"))
    client.load_model("addsub")
    check(f"{kind}: loaded", client.is_model_ready("addsub"))
    statistics = client.get_inference_statistics("late", "2")
    counted = field(field(statistics, "model_stats")[0], "inference_count")
    check(f"{kind}: statistics", int(counted) > 0, statistics)


http = http_client.InferenceServerClient(http_url)
grpc = grpc_client.InferenceServerClient(grpc_url)
suite("http", http_client, http, True)
suite("http", http_client, http, False)
suite("grpc", grpc_client, grpc, None)
about("http", http)
about("grpc", grpc)

answers = []
grpc.start_stream(lambda result, error: answers.append((result, error)))
for i in range(5):
    tensor = grpc_client.InferInput("x", [1, 3], "FP32")
    tensor.set_data_from_numpy(np.full((1, 3), i, np.float32))
    grpc.async_stream_infer("late" if i < 4 else "none", [tensor], request_id=str(i))
grpc.stop_stream()
check("grpc: a stream answers in order", [result.get_response().id for result, error in answers[:4]] == list("0123"), answers)
check("grpc: a stream says what went wrong, and goes on", len(answers) == 5 and "MR_SERVE_MODEL_UNKNOWN" in str(answers[4][1]), answers[-1:])
tensor = grpc_client.InferInput("x", [1, 3], "FP32")
tensor.set_data_from_numpy(np.zeros((1, 3), np.float32))
check("grpc: gzip", grpc.infer("late", [tensor], compression_algorithm="gzip").as_numpy("y").shape == (1, 1))
check("grpc: deflate", grpc.infer("late", [tensor], compression_algorithm="deflate").as_numpy("y").shape == (1, 1))
try:
    grpc.infer("late", [tensor], timeout=1)
    check("grpc: a timeout", False, "answered")
except InferenceServerException as error:
    check("grpc: a timeout", "DEADLINE_EXCEEDED" in str(error.status()), error)
