/** A model file of any format that is read here, told by its content. */
import { type ImportedModel, refuseAs } from './imported.ts'
import { readLightGbmBytes } from './lightgbm-text.ts'
import { readOnnxModel } from './onnx.ts'
import { readXgboost } from './xgboost.ts'

export type ModelFileFormat = 'lightgbm' | 'xgboost' | 'onnx'

const READERS: Record<ModelFileFormat, (bytes: Uint8Array) => ImportedModel> = {
  lightgbm: readLightGbmBytes,
  xgboost: readXgboost,
  onnx: readOnnxModel,
}

/** LightGBM begins with the line `tree`, XGBoost with a brace, ONNX with the version of its format. Errors: MR_MODEL_IMPORT for what is none of them. */
export function formatOfFile(bytes: Uint8Array): ModelFileFormat {
  const start = new TextDecoder('latin1').decode(bytes.subarray(0, 64))
  if (/^tree\r?\n/.test(start)) return 'lightgbm'
  if (/^\s*\{/.test(start)) return 'xgboost'
  if (bytes[0] === 0x08) return 'onnx'
  throw refuseAs('LightGBM, XGBoost or skl2onnx')(
    'the first bytes',
    'LightGBM text (save_model), XGBoost JSON or UBJSON (save_model), or ONNX',
    bytes.length === 0 ? 'an empty file' : start.slice(0, 16),
  )
}

/** Reads a model. Errors: MR_MODEL_IMPORT, MR_MODEL_INVALID. */
export function readModelFile(bytes: Uint8Array): ImportedModel {
  return READERS[formatOfFile(bytes)](bytes)
}
