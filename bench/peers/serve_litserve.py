"""LitServe over ONNX Runtime: one API a model, one worker, the fast queue where it is asked for."""

import base64

import litserve
import numpy as np
from serve_sessions import answer, arguments, outputs_of, session


class OnnxApi(litserve.LitAPI):
    def __init__(self, path, **options):
        super().__init__(**options)
        self.path = path

    def setup(self, device):
        self.session = session(self.path)
        self.names = outputs_of(self.session)

    def decode_request(self, request):
        [tensor] = request["inputs"]
        if "base64" in tensor:
            return np.frombuffer(base64.b64decode(tensor["base64"]), dtype=np.float32).reshape(tensor["shape"])
        return np.array(tensor["data"], dtype=np.float32).reshape(tensor["shape"])

    def batch(self, inputs):
        return np.concatenate(inputs)

    def unbatch(self, output):
        return [[array[i : i + 1] for array in output] for i in range(len(output[0]))]

    def predict(self, rows):
        return self.session.run(None, {"x": rows})

    def encode_response(self, output):
        return answer(self.names, output)


if __name__ == "__main__":
    given = arguments()
    batching = {"max_batch_size": given["batch"], "batch_timeout": 0.001} if given["batch"] else {}
    names = ["conv", "gbdt", "iris", "mlp"]
    apis = [OnnxApi(f"{given['folder']}/{name}.onnx", api_path=f"/{name}", **batching) for name in names]
    server = litserve.LitServer(apis, accelerator="cpu", devices=1, workers_per_device=1, fast_queue=given["fast"])
    server.run(host="127.0.0.1", port=given["port"], num_api_servers=1, log_level="warning", generate_client_file=False, access_log=False)
