"""Ray Serve over ONNX Runtime: one replica a model, its batching where that is asked for."""

import os
import signal

import numpy as np
import orjson
import ray
from ray import serve
from serve_sessions import answer, arguments, outputs_of, session
from starlette.requests import Request
from starlette.responses import Response

given = arguments()
HERE = os.path.dirname(os.path.abspath(__file__))


class Model:
    def __init__(self, path):
        self.session = session(path)
        self.names = outputs_of(self.session)

    def one(self, rows):
        return self.session.run(None, {"x": rows})

    async def read(self, request: Request):
        body = await request.body()
        if request.headers["content-type"] == "application/octet-stream":
            [spec] = self.session.get_inputs()
            return np.frombuffer(body, dtype=np.float32).reshape(1, *spec.shape[1:]), True
        [tensor] = orjson.loads(body)["inputs"]
        return np.array(tensor["data"], dtype=np.float32).reshape(tensor["shape"]), False

    def write(self, arrays, is_raw):
        if is_raw:
            return Response(arrays[-1].tobytes(), media_type="application/octet-stream")
        return Response(orjson.dumps(answer(self.names, arrays)), media_type="application/json")


@serve.deployment(num_replicas=1, max_ongoing_requests=256, ray_actor_options={"num_cpus": 0})
class Single(Model):
    async def __call__(self, request: Request):
        rows, is_raw = await self.read(request)
        return self.write(self.one(rows), is_raw)


@serve.deployment(num_replicas=1, max_ongoing_requests=256, ray_actor_options={"num_cpus": 0})
class Batched(Model):
    @serve.batch(max_batch_size=32, batch_wait_timeout_s=0.001)
    async def many(self, rows):
        arrays = self.one(np.concatenate(rows))
        return [[array[i : i + 1] for array in arrays] for i in range(len(rows))]

    async def __call__(self, request: Request):
        rows, is_raw = await self.read(request)
        return self.write(await self.many(rows), is_raw)


@serve.deployment(num_replicas=1, ray_actor_options={"num_cpus": 0})
class Ready:
    async def __call__(self, request: Request):
        return {}


if __name__ == "__main__":
    os.environ["PYTHONPATH"] = HERE
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": HERE}}, object_store_memory=100_000_000)
    serve.start(http_options={"host": "127.0.0.1", "port": given["port"]}, proxy_location="HeadOnly")
    kind = Batched if given["batch"] else Single
    for name in ("conv", "gbdt", "iris", "mlp"):
        serve.run(kind.bind(os.path.join(given["folder"], f"{name}.onnx")), name=name, route_prefix=f"/{name}")
    serve.run(Ready.bind(), name="ready", route_prefix="/ready")
    signal.pause()
