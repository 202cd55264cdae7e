/** An MLflow model folder: a file `MLmodel` that says by flavours where the model is. */
import { existsSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { parse } from 'yaml'
import { toError } from '../../core/errors.ts'
import { configError, configText, inside } from './config-file.ts'
import type { FoundModel, RefusedModel } from './found.ts'

const FILE = 'MLmodel'
const FILE_BYTES_MAX = 4 * 1024 * 1024

type Flavours = Record<string, Record<string, unknown> | undefined>

export function isMlflowModel(folder: string): boolean {
  return existsSync(join(folder, FILE))
}

/** Where a flavour says that its file is, and whether that file can be served as it is. */
const FLAVOURS: { flavour: string; fields: string[]; endings: string[]; export: string }[] = [
  { flavour: 'onnx', fields: ['data'], endings: ['.onnx'], export: 'log it by mlflow.onnx.log_model' },
  {
    flavour: 'lightgbm',
    fields: ['data'],
    endings: ['.txt', '.lgb'],
    export: 'log the booster (model.booster_) by mlflow.lightgbm.log_model, which keeps it as text',
  },
  {
    flavour: 'xgboost',
    fields: ['data'],
    endings: ['.json', '.ubj', '.xgb'],
    export: 'log it with model_format="json" (mlflow.xgboost.log_model)',
  },
  {
    flavour: 'sklearn',
    fields: ['pickled_model'],
    endings: [],
    export:
      'a pickle runs code, so it is not opened: convert it by skl2onnx.to_onnx and log that by mlflow.onnx.log_model',
  },
]

/** Errors: MR_REPOSITORY_CONFIG for a file that is no MLmodel. */
export function readMlflowModel(folder: string): FoundModel | RefusedModel {
  const path = join(folder, FILE)
  const flavours = flavoursOf(path)
  const name = basename(resolve(folder))
  const known = FLAVOURS.filter(({ flavour }) => flavours[flavour])
  for (const { flavour, fields, endings } of known) {
    const data = fields.map((field) => flavours[flavour]?.[field]).find((value) => typeof value === 'string')
    const file = data === undefined ? undefined : inside(folder, data as string, path)
    if (file && endings.some((ending) => file.endsWith(ending)) && existsSync(file))
      return { name, from: 'mlflow', versions: [{ version: '1', path: file }], notes: [] }
  }
  const names = Object.keys(flavours).filter((flavour) => flavour !== 'python_function')
  const why = `its flavours (${names.join(', ') || 'python_function'}) are not files that can be served as they are`
  return {
    name,
    path: folder,
    why,
    fix: known[0]?.export ?? 'export it to ONNX and log that by mlflow.onnx.log_model',
  }
}

function flavoursOf(path: string): Flavours {
  const text = configText(path, FILE_BYTES_MAX)
  let read: unknown
  try {
    read = parse(text, { maxAliasCount: 100, logLevel: 'error' })
  } catch (thrown) {
    throw configError(path, 'the file', 'YAML', toError(thrown).message.split('\n')[0])
  }
  const flavours = (read as { flavors?: unknown } | null)?.flavors
  if (typeof flavours !== 'object' || flavours === null)
    throw configError(path, 'the file', 'a field flavors', 'none')
  return flavours as Flavours
}
