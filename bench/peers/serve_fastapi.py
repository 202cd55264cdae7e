"""FastAPI and ONNX Runtime as a team would write it that wants it fast: no model of the body, orjson, uvloop, httptools, the call on the event loop."""

import numpy as np
import orjson
import uvicorn
from fastapi import FastAPI, Request, Response
from serve_sessions import answer, arguments, outputs_of, sessions

app = FastAPI()
given = arguments()
held = {name: (session, outputs_of(session)) for name, session in sessions(given["folder"]).items()}


@app.get("/ready")
async def ready():
    return {}


@app.post("/{model}/infer")
async def infer(model: str, request: Request):
    """The body of the inference protocol; answers like it."""
    session, names = held[model]
    [tensor] = orjson.loads(await request.body())["inputs"]
    rows = np.array(tensor["data"], dtype=np.float32).reshape(tensor["shape"])
    return Response(orjson.dumps(answer(names, session.run(None, {tensor["name"]: rows}))), media_type="application/json")


@app.post("/{model}/raw")
async def raw(model: str, request: Request):
    """One row as float32, answered by the last output as float32."""
    session, _ = held[model]
    [spec] = session.get_inputs()
    row = np.frombuffer(await request.body(), dtype=np.float32).reshape(1, *spec.shape[1:])
    return Response(session.run(None, {spec.name: row})[-1].tobytes(), media_type="application/octet-stream")


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=given["port"], loop="uvloop", http="httptools", access_log=False, log_level="warning")
