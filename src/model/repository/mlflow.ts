/** An MLflow model folder: a file `MLmodel` that says by flavours where the model is. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { basename, join, relative, resolve } from 'node:path'
import { parse } from 'yaml'
import { MillraceError, toError } from '../../core/errors.ts'
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
  const { size } = statSync(path)
  if (size > FILE_BYTES_MAX) throw mlmodelError(path, `at most ${FILE_BYTES_MAX} bytes`, `${size}`)
  let read: unknown
  try {
    read = parse(readFileSync(path, 'utf8'), { maxAliasCount: 100 })
  } catch (thrown) {
    throw mlmodelError(path, 'YAML', toError(thrown).message.split('\n')[0])
  }
  const flavours = (read as { flavors?: unknown } | null)?.flavors
  if (typeof flavours !== 'object' || flavours === null) throw mlmodelError(path, 'a field flavors', 'none')
  return flavours as Flavours
}

function mlmodelError(file: string, need: string, got: string): MillraceError {
  return new MillraceError('MR_REPOSITORY_CONFIG', { file, where: 'the file', need, got })
}

/** Errors: MR_REPOSITORY_CONFIG for a path out of the folder. */
export function inside(folder: string, path: string, file: string): string {
  const found = resolve(folder, path)
  const from = relative(resolve(folder), found)
  if (from !== '' && !from.startsWith('..') && !from.startsWith('/')) return found
  throw new MillraceError('MR_REPOSITORY_CONFIG', {
    file,
    where: 'a path',
    need: 'a path inside the folder',
    got: path,
  })
}
