/**
 * Any program as a trainer. It gets a folder with rows, schema and parameters, and leaves a model in a format that is known; that model is then gated, released,
 * served and explained as every other. See docs/guides/any-trainer.md for the contract.
 *
 * Its own files are in the store by digest and named in the run, so that the same run is the same program: a file that changes makes another run.
 */
import { cp, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { assert, MillraceError } from '../../core/errors.ts'
import type { TrainerDef } from '../../define/types.ts'
import { withExternalData } from '../../model/import/external-inline.ts'
import { IMPORT_LIMITS, type ImportedModel } from '../../model/import/imported.ts'
import { networkLearned, type OpenedFile, openModelFile } from '../imported/network.ts'
import type { Learned, LearnedGraph, Learner, LearnInput, LearnPlace, LearnRows } from '../learner.ts'
import { keptRows, ownModel } from '../learner.ts'
import { writeParquet } from './parquet.ts'
import { runCommand } from './run.ts'

type Command = Extract<TrainerDef, { kind: 'command' }>

/** Files that a trainer may leave, the first that is there is taken. */
const RESULTS = ['model.txt', 'model.ubj', 'model.json', 'model.onnx']

/** Passed on beside those that the config names: what programs need to be found and to write temporary files. */
const ENVIRONMENT = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TMPDIR', 'SystemRoot']

export const commandLearner: Learner<Command> = {
  kind: 'command',
  tasks: ['binary', 'regression', 'multiclass', 'ranking'],
  learn: (input, trainer) => ownModel(learnAny(input, trainer), 'command'),
  learnAny,
}

async function learnAny(input: LearnInput, trainer: Command): Promise<Learned | LearnedGraph> {
  const { place } = input
  assert(place, 'a command is run by a worker, which has a place for files')
  const folder = join(place.scratch, `command-${place.id}-${process.hrtime.bigint()}`)
  try {
    const env = await layOut(folder, input, trainer, place)
    await runCommand({
      command: trainer.run,
      cwd: folder,
      env,
      timeMsMax: trainer.timeMsMax,
      memoryMbMax: trainer.memoryMbMax,
      signal: input.signal,
      onProgress: (done, note) => input.progress(done, note),
    })
    const { name, bytes } = await readResult(join(folder, 'output'), trainer)
    const learned = await learnedOf(name, bytes, input, trainer)
    await noteMetrics(join(folder, 'output', 'metrics.json'), input)
    await rm(place.checkpoints, { recursive: true, force: true })
    return learned
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Writes what the program is given; the environment that says where. */
async function layOut(
  folder: string,
  input: LearnInput,
  trainer: Command,
  place: LearnPlace,
): Promise<Record<string, string>> {
  const [inputs, output] = [join(folder, 'input'), join(folder, 'output')]
  for (const dir of [inputs, output, place.checkpoints]) await mkdir(dir, { recursive: true })
  for (const [path, digest] of Object.entries(trainer.contents ?? {})) {
    const to = join(folder, path)
    await mkdir(dirname(to), { recursive: true })
    await cp(await place.path(digest), to)
  }
  writeRows(join(inputs, 'train.parquet'), input, keptRows(input))
  writeRows(join(inputs, 'validate.parquet'), input, input.validate)
  await writeJson(join(inputs, 'schema.json'), schemaOf(input))
  await writeJson(join(inputs, 'params.json'), paramsOf(input, trainer))
  const passed = [...ENVIRONMENT, ...trainer.env].flatMap((name) => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value]]
  })
  return {
    ...Object.fromEntries(passed),
    PYTHONUNBUFFERED: '1',
    PYTHONDONTWRITEBYTECODE: '1',
    MILLRACE_INPUT: inputs,
    MILLRACE_OUTPUT: output,
    MILLRACE_CHECKPOINTS: place.checkpoints,
  }
}

function writeRows(path: string, input: LearnInput, rows: LearnRows): void {
  const { features } = input
  const names = ownNames(input)
  const columns = features.map(({ name }, j): [string, Float64Array] => [name, rows.columns[j]])
  columns.push([names.target, rows.target])
  if (rows.weights) columns.push([names.weight, rows.weights])
  if (rows.groups) columns.push([names.group, groupOfRow(rows.groups, rows.nRows)])
  writeParquet(path, rows.nRows, columns)
}

/** Names of the columns beside the features, which no feature has. */
function ownNames({ features }: LearnInput) {
  const taken = new Set(features.map(({ name }) => name))
  const free = (name: string): string => (taken.has(name) ? free(`_${name}`) : name)
  return { target: free('_target'), weight: free('_weight'), group: free('_group') }
}

/** Number of the query of each row, from 0. */
function groupOfRow(starts: Int32Array, nRows: number): Float64Array {
  const out = new Float64Array(nRows)
  for (const [g, start] of starts.entries()) out.fill(g, start, starts[g + 1] ?? nRows)
  return out
}

function schemaOf(input: LearnInput) {
  const { features, train } = input
  const { target, weight, group } = ownNames(input)
  return {
    features: features.map(({ name, type }) => ({ name, type })),
    target,
    ...(train.weights && { weight }),
    ...(train.groups && { group }),
  }
}

function paramsOf({ task, nClasses, seed }: LearnInput, { params }: Command) {
  return { task, ...(task === 'multiclass' && { classes: nClasses }), seed, params }
}

function writeJson(path: string, value: object): Promise<void> {
  return writeFile(path, `${JSON.stringify(value, null, 2)}\n`)
}

/** Networks that this package does not score go to ONNX Runtime, as imported ones do. */
async function learnedOf(
  file: string,
  bytes: Uint8Array,
  input: LearnInput,
  trainer: Command,
): Promise<Learned | LearnedGraph> {
  const opened: OpenedFile = openModelFile(bytes)
  if (opened.kind === 'network') {
    input.note(`${file} is a network that ONNX Runtime scores (${opened.why})`)
    return await networkLearned(input, { file, bytes, graph: opened.graph, declared: {} })
  }
  const { imported } = opened
  checkFits(imported, input, trainer)
  for (const note of imported.notes) input.note(note)
  return { model: imported.withBase?.(keptRows(input).columns) ?? imported.model }
}

async function readResult(output: string, { run }: Command): Promise<{ name: string; bytes: Uint8Array }> {
  const command = run.join(' ')
  const expected = RESULTS.join(', ')
  for (const name of RESULTS) {
    const found = await stat(join(output, name)).catch(() => undefined)
    if (!found?.isFile()) continue
    if (found.size > IMPORT_LIMITS.fileBytesMax)
      throw new MillraceError('MR_TRAIN_COMMAND_RESULT', {
        command,
        expected: `${name} of at most ${IMPORT_LIMITS.fileBytesMax} bytes`,
        got: `${found.size}`,
      })
    const bytes = await readFile(join(output, name))
    return { name, bytes: name.endsWith('.onnx') ? withExternalData(bytes, output) : bytes }
  }
  throw new MillraceError('MR_TRAIN_COMMAND_RESULT', {
    command,
    expected: `one of ${expected}`,
    got: 'none of them',
  })
}

/** The model does this task on these features, in their order, and takes categories by the codes they came in. */
function checkFits(
  imported: ImportedModel,
  { task, nClasses, features }: LearnInput,
  { run }: Command,
): void {
  const refuse = (expected: string, got: string) =>
    new MillraceError('MR_TRAIN_COMMAND_RESULT', { command: run.join(' '), expected, got })
  if (imported.task !== task)
    throw refuse(`a model for ${task}`, `one for ${imported.task} (${imported.objective})`)
  const { nOutputs, nFeatures } = imported.model
  if (task === 'multiclass' && nOutputs !== nClasses) throw refuse(`${nClasses} classes`, `${nOutputs}`)
  if (nFeatures !== features.length)
    throw refuse(`a model of ${features.length} features`, `one of ${nFeatures}`)
  imported.features.forEach(({ name, named, categories }, j) => {
    const place = features.findIndex((feature) => feature.name === name)
    if (named && place >= 0 && place !== j)
      throw refuse(
        'features in the order of schema.json',
        `"${name}" as the ${j + 1}th, which is the ${place + 1}th there`,
      )
    if (categories?.some((value, code) => Number(value) !== code))
      throw refuse(`categories of "${name}" by their codes`, 'a dictionary of its own')
  })
}

/** What the program says of its model, for the card: numbers of `metrics.json`, if it wrote any. */
async function noteMetrics(path: string, { note }: LearnInput): Promise<void> {
  const text = await readFile(path, 'utf8').catch(() => '{}')
  const entries = numbersIn(text)
  if (entries.length > 0)
    note(
      `the trainer says: ${entries.map(([name, value]) => `${name} ${Number(value.toPrecision(5))}`).join(', ')}`,
    )
}

const METRICS_MAX = 20

function numbersIn(text: string): [string, number][] {
  try {
    const found = Object.entries(JSON.parse(text) as Record<string, unknown>)
    return found
      .filter((entry): entry is [string, number] => typeof entry[1] === 'number')
      .slice(0, METRICS_MAX)
  } catch {
    return []
  }
}
