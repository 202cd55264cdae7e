"""A runtime of MLServer over ONNX Runtime, as its documents say how to write one."""

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from serve_sessions import outputs_of, session


class OnnxModel(MLModel):
    async def load(self) -> bool:
        self.session = session(self.settings.parameters.uri)
        self.names = outputs_of(self.session)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        feeds = {tensor.name: NumpyCodec.decode_input(tensor).astype(np.float32, copy=False) for tensor in payload.inputs}
        arrays = self.session.run(None, feeds)
        outputs = [NumpyCodec.encode_output(name, array) for name, array in zip(self.names, arrays)]
        return InferenceResponse(model_name=self.name, outputs=outputs)
