"""MLServer: writes its settings into a folder and starts it there."""

import json
import os
import sys
import tempfile

from serve_sessions import arguments

given = arguments()
place = tempfile.mkdtemp(prefix="millrace-bench-mlserver-")
port = given["port"]
settings = {
    "debug": False,
    "host": "127.0.0.1",
    "http_port": port,
    "grpc_port": port + 1,
    "metrics_port": port + 2,
    "parallel_workers": given["workers"],
    "grpc_max_message_length": 64 * 1024 * 1024,
}
with open(os.path.join(place, "settings.json"), "w") as file:
    json.dump(settings, file)
for name in sorted(os.listdir(given["folder"])):
    model = {
        "name": name.removesuffix(".onnx"),
        "implementation": "serve_mlserver_runtime.OnnxModel",
        "parameters": {"uri": os.path.join(given["folder"], name)},
        # adaptive batching, where it is asked for
        **({"max_batch_size": given["batch"], "max_batch_time": 0.001} if given["batch"] else {}),
    }
    folder = os.path.join(place, model["name"])
    os.mkdir(folder)
    with open(os.path.join(folder, "model-settings.json"), "w") as file:
        json.dump(model, file)
os.environ["PYTHONPATH"] = os.path.dirname(os.path.abspath(__file__))
program = os.path.join(os.path.dirname(sys.executable), "mlserver")
os.execv(program, [program, "start", place])
