"""Asks a server of released models, which take raw columns, by Triton's own clients, over HTTP and gRPC. Prints one JSON line a check: {"name", "ok", "got"}.

The models are those of test/serve/row-models.ts; what they answer is arithmetic, done here once more.

usage: triton_rows.py http-host:port grpc-host:port [token]
"""
import json
import sys

import numpy as np
import tritonclient.grpc as grpc_client
import tritonclient.http as http_client
from tritonclient.utils import InferenceServerException

http_url, grpc_url = sys.argv[1], sys.argv[2]
headers = {"authorization": f"Bearer {sys.argv[3]}"} if len(sys.argv) > 3 else None


def check(name, ok, got=""):
    print(json.dumps({"name": name, "ok": bool(ok), "got": str(got)[:300]}), flush=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, float)))


RATES = {"ATL": 0.3, "ORD": 0.4}


def late(hour=None, distance=None, weekend=None, origin=None, month=None):
    """Probability of model `late`."""
    raw = -1.5
    raw += 1 if hour is not None and hour > 12 else 0
    raw += 0.5 if distance is not None and distance > 1000 else 0
    raw += 0.25 if weekend else 0
    raw += 2 if RATES.get(origin, 0.2) > 0.35 else 0
    raw += 4 if month is not None and month > 6 else 0
    return sigmoid(raw)


HOURS = np.array([9, 15, 23, 0], np.int64)
DISTANCES = np.array([10.5, 1200, np.nan, 5000], np.float64)
WEEKENDS = np.array([True, False, True, False])
ORIGINS = np.array([b"ATL", b"ORD", "Zürich".encode(), b""], np.object_)
DATES = np.array([b"2001-04-01T15:20:00Z", b"2001-12-24T00:00:00Z", b"2001-06-30", b"2001-07-01"], np.object_)
WANT = np.array(
    [
        late(9, 10.5, True, "ATL", 4),
        late(15, 1200, False, "ORD", 12),
        late(23, None, True, "Zürich", 6),
        late(0, 5000, False, "", 7),
    ]
)


def suite(kind, lib, client, binary):
    extra = {} if binary is None else {"binary_data": binary}
    label = kind + ("" if binary is None else ", binary" if binary else ", JSON")

    def put(name, array, datatype):
        tensor = lib.InferInput(name, list(array.shape), datatype)
        tensor.set_data_from_numpy(array, **extra)
        return tensor

    def want(name):
        return lib.InferRequestedOutput(name, **extra)

    def infer(model, tensors, **more):
        # The client writes into the headers that it is given, so each request has its own.
        return client.infer(model, tensors, headers=headers and dict(headers), **more)

    def texts(array):
        return [t if isinstance(t, bytes) else t.encode() for t in array.reshape(-1)]

    # JSON has no NaN, and the client sends it all the same; what is missing there is said by a tensor of its own.
    distances = np.where(np.isnan(DISTANCES), 0, DISTANCES) if binary is False else DISTANCES
    gone = [put("distance.missing", np.isnan(DISTANCES), "BOOL")] if binary is False else []
    columns = [
        put("hour", HOURS, "INT64"),
        put("distance", distances, "FP64"),
        put("weekend", WEEKENDS, "BOOL"),
        put("origin", ORIGINS, "BYTES"),
        put("date", DATES, "BYTES"),
        *gone,
    ]
    got = infer("late", columns, outputs=[want("probability"), want("label")], request_id="r1")
    check(f"{label}: columns of every type", np.allclose(got.as_numpy("probability"), WANT, rtol=1e-12), got.as_numpy("probability"))
    check(f"{label}: labels are truths", list(got.as_numpy("label")) == list(WANT >= 0.5), got.as_numpy("label"))
    response = got.get_response()
    check(f"{label}: the id comes back", (response["id"] if kind == "http" else response.id) == "r1", response)
    got = infer("late", columns, model_version="3", outputs=[want("id"), want("member")])
    check(f"{label}: outputs on request, of a version", len(set(texts(got.as_numpy("id")))) == 4 and texts(got.as_numpy("member")) == [b""] * 4, got.as_numpy("id"))
    got = infer("late", [put("hour", HOURS, "INT64"), put("hour.missing", np.array([False, True, False, False]), "BOOL"), put("origin", ORIGINS, "BYTES"), put("origin.missing", np.array([False, True, False, True]), "BOOL")], outputs=[want("probability")])
    check(f"{label}: missing integers and texts, and columns left out", np.allclose(got.as_numpy("probability"), [late(9, origin="ATL"), late(), late(23), late(0)], rtol=1e-12), got.as_numpy("probability"))
    got = infer("late", [put("hour", HOURS.astype(np.int32).reshape(4, 1), "INT32"), put("distance", distances.astype(np.float32).reshape(4, 1), "FP32"), *gone], outputs=[want("probability")])
    check(f"{label}: numbers of other types, as columns of a matrix", np.allclose(got.as_numpy("probability"), [late(h, None if np.isnan(d) else d) for h, d in zip(HOURS, DISTANCES)], rtol=1e-12), got.as_numpy("probability"))

    got = infer("kinds", columns, outputs=[want("probabilities"), want("label")])
    raw = np.stack([np.where(HOURS > 12, 2, 0), np.where(np.nan_to_num(DISTANCES) > 1000, 1, 0), np.full(4, 0.5)], 1)
    expected = np.exp(raw) / np.exp(raw).sum(1, keepdims=True)
    check(f"{label}: probabilities of classes", np.allclose(got.as_numpy("probabilities"), expected, rtol=1e-12), got.as_numpy("probabilities"))
    check(f"{label}: the likeliest class by its label", texts(got.as_numpy("label")) == [b"abc"[i : i + 1] for i in expected.argmax(1)], got.as_numpy("label"))
    got = infer("delay", [put("hour", HOURS, "INT64")], outputs=[want("value")]).as_numpy("value")
    check(f"{label}: a number", list(got) == [10, 15, 15, 10], got)
    near = np.array([1200, 10, 10, 5000], np.float64)
    group = np.array([b"x", b"x", b"y", b"y"], np.object_)
    got = infer("order", [put("distance", near, "FP64"), put("origin", group, "BYTES")], outputs=[want("rank"), want("score")])
    check(f"{label}: ranks within groups", list(got.as_numpy("rank")) == [2, 1, 1, 2] and got.as_numpy("rank").dtype == np.int64, got.as_numpy("rank"))

    refusals = {
        "model": lambda: infer("none", columns),
        "version": lambda: infer("late", columns, model_version="9"),
        "output": lambda: infer("late", columns, outputs=[want("q")]),
        "datatype": lambda: infer("late", [put("hour", ORIGINS, "BYTES")]),
        "text for a number": lambda: infer("late", [put("origin", HOURS, "INT64")]),
        "length": lambda: infer("late", [put("hour", HOURS, "INT64"), put("distance", np.zeros(3), "FP64")]),
        "rows": lambda: infer("late", [put("hour", HOURS[:0], "INT64")]),
        "whole number": lambda: infer("late", [put("hour", np.array([1.5]), "FP64")]),
        "time": lambda: infer("late", [put("date", np.array([b"yesterday"], np.object_), "BYTES")]),
        "mask": lambda: infer("late", [put("hour", HOURS, "INT64"), put("hour.missing", HOURS, "INT64")]),
    }
    for name, ask in refusals.items():
        try:
            ask()
            check(f"{label}: wrong {name}", False, "answered")
        except InferenceServerException as error:
            check(f"{label}: wrong {name}", "MR_" in str(error), error)


def about(kind, client):
    field = (lambda x, name: x[name]) if kind == "http" else getattr
    h = {"headers": headers}
    check(f"{kind}: live", client.is_server_live(**h))
    check(f"{kind}: ready", client.is_server_ready(**h))
    check(f"{kind}: a model is ready", client.is_model_ready("late", **h))
    check(f"{kind}: a version is", client.is_model_ready("late", "3", **h))
    check(f"{kind}: an unknown one is not", not client.is_model_ready("none", **h))
    check(f"{kind}: server metadata", field(client.get_server_metadata(**h), "name") == "millrace")
    metadata = client.get_model_metadata("late", **h)
    inputs = [(field(t, "name"), field(t, "datatype"), [int(n) for n in field(t, "shape")]) for t in field(metadata, "inputs")]
    check(f"{kind}: columns are tensors", inputs == [("hour", "INT64", [-1]), ("distance", "FP64", [-1]), ("weekend", "BOOL", [-1]), ("origin", "BYTES", [-1]), ("date", "BYTES", [-1])], inputs)
    check(f"{kind}: versions", list(field(metadata, "versions")) == ["3"], metadata)
    outputs = [(field(t, "name"), field(t, "datatype"), [int(n) for n in field(t, "shape")]) for t in field(client.get_model_metadata("kinds", **h), "outputs")]
    check(f"{kind}: outputs of classes", ("probabilities", "FP64", [-1, 3]) in outputs and ("label", "BYTES", [-1]) in outputs, outputs)
    config = client.get_model_config("late", **h)
    config = config if kind == "http" else config.config
    check(f"{kind}: configuration", [field(t, "name") for t in field(config, "input")][:2] == ["hour", "distance"], config)


http = http_client.InferenceServerClient(http_url)
grpc = grpc_client.InferenceServerClient(grpc_url)
suite("http", http_client, http, True)
suite("http", http_client, http, False)
suite("grpc", grpc_client, grpc, None)
about("http", http)
about("grpc", grpc)

if headers is not None:
    for kind, client in (("http", http), ("grpc", grpc)):
        lib = http_client if kind == "http" else grpc_client
        tensor = lib.InferInput("hour", [1], "INT64")
        tensor.set_data_from_numpy(HOURS[:1])
        for name, given in (("no token", None), ("another token", {"authorization": "Bearer other"})):
            try:
                client.infer("late", [tensor], headers=given)
                check(f"{kind}: {name}", False, "answered")
            except InferenceServerException as error:
                check(f"{kind}: {name}", "MR_SERVE_TOKEN" in str(error), error)

answers = []
grpc.start_stream(lambda result, error: answers.append((result, error)), headers=headers)
for i in range(5):
    tensor = grpc_client.InferInput("hour", [1], "INT64")
    tensor.set_data_from_numpy(np.array([10 + i], np.int64))
    grpc.async_stream_infer("delay" if i < 4 else "none", [tensor], request_id=str(i))
grpc.stop_stream()
check("grpc: a stream answers in order", [(r.get_response().id, float(r.as_numpy("value")[0])) for r, e in answers[:4]] == [("0", 10), ("1", 10), ("2", 10), ("3", 15)], answers)
check("grpc: a stream says what went wrong, and goes on", len(answers) == 5 and "MR_SERVE_MODEL_UNKNOWN" in str(answers[4][1]), answers[-1:])
tensor = grpc_client.InferInput("hour", [4], "INT64")
tensor.set_data_from_numpy(HOURS)
for way in ("gzip", "deflate"):
    check(f"grpc: {way}", grpc.infer("delay", [tensor], headers=headers, compression_algorithm=way).as_numpy("value").shape == (4,))
answer = grpc.infer("late", [tensor], headers=headers).get_response()
check("grpc: parameters say version and route", answer.parameters["version"].int64_param == 3 and answer.parameters["route"].string_param == "live" and answer.parameters["threshold"].double_param == 0.5, answer)
