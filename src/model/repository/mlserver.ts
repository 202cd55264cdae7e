/** A model of an MLServer folder: `model-settings.json` names an implementation and where its file is. */
import { existsSync, statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { toError } from '../../core/errors.ts'
import { configError, configText, inside } from './config-file.ts'
import type { FoundModel, RefusedModel } from './found.ts'

const FILE = 'model-settings.json'
const FILE_BYTES_MAX = 1024 * 1024

/** Files that MLServer looks for where the settings name none. */
const USUAL: Record<string, string[]> = {
  'mlserver_lightgbm.LightGBMModel': ['model.bst', 'model.txt'],
  'mlserver_xgboost.XGBoostModel': ['model.json', 'model.ubj', 'model.bst'],
}
const ONNX = ['model.onnx']

interface Settings {
  name?: unknown
  implementation?: unknown
  parameters?: { uri?: unknown; version?: unknown }
}

export function isMlserverModel(folder: string): boolean {
  return existsSync(join(folder, FILE))
}

/** Errors: MR_REPOSITORY_CONFIG. */
export function readMlserverModel(folder: string): FoundModel | RefusedModel {
  const path = join(folder, FILE)
  const { name: stated, implementation, parameters } = settingsOf(path)
  const name = typeof stated === 'string' && stated !== '' ? stated : basename(resolve(folder))
  const version =
    typeof parameters?.version === 'string' && parameters.version !== '' ? parameters.version : '1'
  const uri = typeof parameters?.uri === 'string' ? parameters.uri : '.'
  const names = [...(USUAL[String(implementation)] ?? []), ...ONNX]
  const at = uri === '.' || uri === './' ? resolve(folder) : inside(folder, uri, path)
  const file =
    existsSync(at) && statSync(at).isDirectory()
      ? names.map((one) => join(at, one)).find((one) => existsSync(one))
      : at
  if (file !== undefined && existsSync(file) && !/\.(joblib|pickle|pkl)$/.test(file))
    return { name, from: 'mlserver', versions: [{ version, path: file }], notes: [] }
  return {
    name,
    path: folder,
    why: `${String(implementation)} with ${uri} is no file that can be served as it is`,
    fix: 'put model.onnx (skl2onnx.to_onnx for scikit-learn), a LightGBM text or an XGBoost JSON there and name it by parameters.uri',
  }
}

function settingsOf(path: string): Settings {
  const text = configText(path, FILE_BYTES_MAX)
  let settings: unknown
  try {
    settings = JSON.parse(text)
  } catch (thrown) {
    throw configError(path, 'the file', 'JSON', toError(thrown).message)
  }
  if (typeof settings === 'object' && settings !== null) return settings as Settings
  throw configError(path, 'the file', 'an object', 'something else')
}
