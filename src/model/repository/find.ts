/** Models under a path: one file, one model's folder, or a folder of them. */
import { closeSync, existsSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import { basename, extname, join, resolve } from 'node:path'
import { isMillraceError, MillraceError, toError } from '../../core/errors.ts'
import { formatOfFile } from '../import/open.ts'
import type { Found, FoundModel, RefusedModel } from './found.ts'
import { isMlflowModel, readMlflowModel } from './mlflow.ts'
import { isMlserverModel, readMlserverModel } from './mlserver.ts'
import { isTritonModel, readTritonModel } from './triton.ts'

/** Longest name of a model; those that could not be asked for are refused. */
const NAME = /^[\w.@+-]{1,128}$/
const ENDINGS = new Set(['.onnx', '.txt', '.json', '.ubj', '.bst', '.lgb', '.xgb', '.model'])
const LAYOUTS: { is: (folder: string) => boolean; read: (folder: string) => FoundModel | RefusedModel }[] = [
  { is: isMlflowModel, read: readMlflowModel },
  { is: isMlserverModel, read: readMlserverModel },
  { is: isTritonModel, read: readTritonModel },
]

/**
 * Finds what can be served. Reads configurations and the first bytes of files. Models are in the order of their names.
 * Errors: MR_REPOSITORY_PATH when nothing is there, MR_REPOSITORY_EMPTY when there is no model, MR_REPOSITORY_NAME for two of one name.
 */
export function findModels(path: string): Found {
  if (!existsSync(path)) throw new MillraceError('MR_REPOSITORY_PATH', { path })
  return sorted(path, statSync(path).isDirectory() ? inFolder(path) : [fileModel(path)])
}

/**
 * The same, looking only at files and folders of a folder that are named as a model is; nothing where its name comes from a configuration in a folder of another name, or it is
 * no more. Cost: that of listing the folder, and of opening what is so named.
 */
export function findModel(path: string, name: string): Found | undefined {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory() || layoutOf(path)) return undefined
  const all = inFolder(path, (entry) => entry === name || entry.replace(/\.[^.]+$/, '') === name)
  return all.some((one) => one.name === name) ? sorted(path, all) : undefined
}

function sorted(path: string, all: readonly (FoundModel | RefusedModel)[]): Found {
  const models = all.filter((one): one is FoundModel => 'versions' in one)
  const refused = all.filter((one): one is RefusedModel => !('versions' in one))
  const unnamed = models.filter(({ name }) => !NAME.test(name))
  for (const { name } of unnamed)
    refused.push({
      name,
      path,
      why: 'its name cannot stand in a path',
      fix: 'use letters, digits, and . _ - + @',
    })
  const named = models.filter(({ name }) => NAME.test(name)).sort((a, b) => (a.name < b.name ? -1 : 1))
  named.forEach(({ name }, i) => {
    if (named[i + 1]?.name === name) throw new MillraceError('MR_REPOSITORY_NAME', { name, path })
  })
  if (named.length + refused.length === 0) throw new MillraceError('MR_REPOSITORY_EMPTY', { path })
  return { models: named, refused }
}

function inFolder(
  folder: string,
  isWanted: (entry: string) => boolean = () => true,
): (FoundModel | RefusedModel)[] {
  const own = layoutOf(folder)
  if (own) return [guarded(own, folder)]
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.name.startsWith('.') || !isWanted(entry.name)) return []
    try {
      const what = entry.isSymbolicLink() ? statSync(path, { throwIfNoEntry: false }) : entry
      if (!what) return []
      return what.isDirectory() ? inSubfolder(path) : inFile(path, what.isFile())
    } catch (thrown) {
      return [unreadable(path, thrown)]
    }
  })
}

function inSubfolder(path: string): (FoundModel | RefusedModel)[] {
  const layout = layoutOf(path)
  return layout ? [guarded(layout, path)] : []
}

/** Pipes and devices are not opened: reading them might never end. */
function inFile(path: string, isFile: boolean): (FoundModel | RefusedModel)[] {
  const isModel = isFile && ENDINGS.has(extname(path)) && isModelFile(path, isBooster)
  return isModel ? [modelOf(path)] : []
}

/** Beside models lie other files of JSON: labels, settings. A booster begins with its learner. */
function isBooster(head: Uint8Array): boolean {
  return formatOfFile(head) !== 'xgboost' || Buffer.from(head).includes('learner')
}

/** What the system does not let be read leaves itself out, not the others. */
function unreadable(path: string, thrown: unknown): RefusedModel {
  const { code, message } = toError(thrown) as NodeJS.ErrnoException
  if (code === undefined || isMillraceError(thrown)) throw thrown
  const name = basename(path).replace(/\.[^.]+$/, '')
  return { name, path, why: `it cannot be read: ${message}`, fix: 'let the server read it, or take it away' }
}

const layoutOf = (folder: string) => LAYOUTS.find(({ is }) => is(folder))

/** A configuration that cannot be read leaves its model out, not the others. */
function guarded({ read }: (typeof LAYOUTS)[number], folder: string): FoundModel | RefusedModel {
  try {
    return read(folder)
  } catch (thrown) {
    if (!isMillraceError(thrown)) throw thrown
    const why = thrown.message.slice(thrown.code.length + 2)
    return { name: basename(resolve(folder)), path: folder, why, fix: thrown.fix }
  }
}

function fileModel(path: string): FoundModel | RefusedModel {
  if (isModelFile(path)) return modelOf(path)
  return {
    name: basename(path).replace(/\.[^.]+$/, ''),
    path,
    why: 'it is no ONNX, LightGBM text, XGBoost JSON or UBJSON',
    fix: 'save the model in one of these: torch.onnx.export, skl2onnx, booster.save_model("m.txt"), bst.save_model("m.json")',
  }
}

function modelOf(path: string): FoundModel {
  const name = basename(path).replace(/\.[^.]+$/, '')
  return { name, from: 'file', versions: [{ version: '1', path }], notes: [] }
}

const HEAD_BYTES = 256

function isModelFile(path: string, also: (head: Uint8Array) => boolean = () => true): boolean {
  const file = openSync(path, 'r')
  try {
    const head = new Uint8Array(HEAD_BYTES)
    const read = readSync(file, head, 0, HEAD_BYTES, 0)
    formatOfFile(head.subarray(0, read))
    return also(head.subarray(0, read))
  } catch (thrown) {
    if (isMillraceError(thrown)) return false
    throw thrown
  } finally {
    closeSync(file)
  }
}
