/** A model of a Triton repository: `<model>/config.pbtxt` and `<model>/<version>/model.onnx`. Without a configuration, what the graph says stands. */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { configError, configText } from './config-file.ts'
import type { FoundModel, FoundVersion, RefusedModel, StatedTensor } from './found.ts'
import {
  messageField,
  messageFields,
  numberField,
  numberFields,
  parseTextMessage,
  type TextMessage,
  textField,
} from './pbtxt.ts'

const CONFIG = 'config.pbtxt'
const CONFIG_BYTES_MAX = 4 * 1024 * 1024
/** Files of a version that are served, in the order they are looked for. */
const FILES = ['model.onnx', 'model.txt', 'model.json', 'xgboost.json', 'xgboost.ubj'] as const
const PLATFORMS = ['onnxruntime_onnx', 'onnxruntime', 'fil', '']

/** Whether a folder is laid out as a model of a repository. */
export function isTritonModel(folder: string): boolean {
  return existsSync(join(folder, CONFIG)) || versionsIn(folder).length > 0
}

/** Errors: MR_REPOSITORY_CONFIG. */
export function readTritonModel(folder: string): FoundModel | RefusedModel {
  const config = configOf(folder)
  const name = textField(config, 'name') || basename(resolve(folder))
  const platform = textField(config, 'backend') || textField(config, 'platform') || ''
  if (!PLATFORMS.includes(platform)) return refused(name, folder, platform)
  const filename = textField(config, 'default_model_filename')
  const all = versionsIn(folder, filename === undefined ? FILES : [safeName(filename, folder)])
  const versions = chosen(all, messageField(config, 'version_policy'))
  if (versions.length === 0) {
    const why =
      all.length === 0
        ? `no version folder holds one of ${FILES.join(', ')}`
        : 'its version_policy leaves none'
    return { name, path: folder, why, fix: `put the model at ${join(folder, '1', 'model.onnx')}` }
  }
  const batchRowsMax = numberField(config, 'max_batch_size')
  const batching = messageField(config, 'dynamic_batching')
  return {
    name,
    from: 'triton',
    versions,
    ...(batchRowsMax !== undefined && { batchRowsMax }),
    ...(batching && { batching: batchingOf(batching) }),
    ...stated('inputs', tensorsOf(config, 'input', folder)),
    ...stated('outputs', tensorsOf(config, 'output', folder)),
    notes: notesOf(config),
  }
}

const stated = (key: 'inputs' | 'outputs', tensors: StatedTensor[]) =>
  tensors.length > 0 ? { [key]: tensors } : {}

function configOf(folder: string): TextMessage {
  const path = join(folder, CONFIG)
  if (!existsSync(path)) return {}
  return parseTextMessage(configText(path, CONFIG_BYTES_MAX), path)
}

/** A file name in a configuration names a file of its version's folder and nothing else. */
function safeName(name: string, folder: string): string {
  if (name === basename(name) && name !== '..' && name !== '.') return name
  throw configError(join(folder, CONFIG), 'default_model_filename', 'a file name without folders', name)
}

function versionsIn(folder: string, files: readonly string[] = FILES): FoundVersion[] {
  const found = readdirSync(folder, { withFileTypes: true }).flatMap((entry): FoundVersion[] => {
    const version = join(folder, entry.name)
    if (!/^[1-9]\d{0,17}$/.test(entry.name) || !existsSync(version)) return []
    if (!statSync(version).isDirectory()) return []
    const path = files.map((file) => join(version, file)).find((one) => existsSync(one))
    return path === undefined ? [] : [{ version: entry.name, path }]
  })
  return found.sort((a, b) => Number(BigInt(a.version) - BigInt(b.version)))
}

/** The latest one, unless the policy says otherwise. */
function chosen(versions: FoundVersion[], policy: TextMessage | undefined): FoundVersion[] {
  if (policy && 'all' in policy) return versions
  const specific = policy && messageField(policy, 'specific')
  if (specific) {
    const wanted = numberFields(specific, 'versions').map(String)
    return versions.filter(({ version }) => wanted.includes(version))
  }
  const latest = policy && messageField(policy, 'latest')
  return versions.slice(-((latest && numberField(latest, 'num_versions')) ?? 1))
}

function batchingOf(batching: TextMessage): NonNullable<FoundModel['batching']> {
  return {
    preferred: numberFields(batching, 'preferred_batch_size'),
    waitUs: numberField(batching, 'max_queue_delay_microseconds') ?? 0,
  }
}

/** Triton's `TYPE_FP32` is the protocol's `FP32`; its text type has another name. */
function tensorsOf(config: TextMessage, field: 'input' | 'output', folder: string): StatedTensor[] {
  return messageFields(config, field).map((tensor) => {
    const name = textField(tensor, 'name')
    const type = textField(tensor, 'data_type')
    if (name === undefined) throw configError(join(folder, CONFIG), field, 'a name', 'none')
    if (!type?.startsWith('TYPE_'))
      throw configError(join(folder, CONFIG), `data_type of ${field} ${name}`, 'TYPE_…', type ?? 'none')
    const datatype = type === 'TYPE_STRING' ? 'BYTES' : type.slice('TYPE_'.length)
    return { name, datatype, dims: numberFields(tensor, 'dims') }
  })
}

/** What of a configuration has no meaning here. */
const OTHERS: Record<string, string> = {
  ensemble_scheduling: 'ensembles are not run: call the models one after another',
  sequence_batching: 'sequences have no state here: each request stands alone',
  instance_group: 'instance groups are left to the server, which runs a model on as many threads as pay',
  response_cache: 'answers are not cached',
  model_transaction_policy: 'a request has one answer',
}

function notesOf(config: TextMessage): string[] {
  return Object.entries(OTHERS).flatMap(([field, note]) => (field in config ? [`${field}: ${note}`] : []))
}

function refused(name: string, path: string, platform: string): RefusedModel {
  return {
    name,
    path,
    why: `its platform or backend is ${platform}`,
    fix: 'export it to ONNX (torch.onnx.export, tf2onnx) and set platform: "onnxruntime_onnx"',
  }
}
