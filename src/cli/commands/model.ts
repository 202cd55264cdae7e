/** `millrace model show`, `model import`, `model export`: models come in from files of others, and leave in theirs. */
import { writeFile } from 'node:fs/promises'
import { relative, resolve } from 'node:path'
import { MillraceError } from '../../core/errors.ts'
import type { Digest, ModelVersion } from '../../core/records.ts'
import { imported } from '../../define/trainers.ts'
import { readModelBytes } from '../../loop/model-file.ts'
import { namedVersion } from '../../loop/model-versions.ts'
import { modelDef, type Runtime } from '../../loop/runtime.ts'
import { exportLightGbmText } from '../../model/export/lightgbm-text.ts'
import { exportOnnx } from '../../model/export/onnx.ts'
import { type ModelFileSummary, summariseModelFile } from '../../model/import/summary.ts'
import { type LoadedModel, loadModel } from '../../model/load.ts'
import type { Answer, Cli } from '../cli.ts'
import { count } from '../format.ts'
import type { Options } from '../handler.ts'
import { missingModel } from '../missing-model.ts'
import { oneOf, textOption } from '../options.ts'
import { trainedAnswer, trainStep } from '../steps.ts'
import { pad } from '../table.ts'

export async function modelShow(cli: Cli, [file]: readonly unknown[]): Promise<Answer> {
  const summary = summariseModelFile(await readModelBytes(resolve(file as string), file as string))
  return { value: summary, lines: ['', ...linesOf(cli, summary), ''] }
}

function linesOf({ paint }: Cli, { own, onnx, refused, bytes, format }: ModelFileSummary): string[] {
  const line = (name: string, text: string) => `  ${paint.dim(pad(name, 12))}  ${text}`
  const shape = (dims: (number | string | null)[]) => `[${dims.map((dim) => dim ?? '?').join(', ')}]`
  const ports = (list: { name: string; type: string; dims: (number | string | null)[] }[]) =>
    list
      .slice(0, 12)
      .map(({ name, type, dims }) => `${name} ${type}${shape(dims)}`)
      .join(', ')
  return [
    line('file', `${own?.source ?? format}, ${count(bytes)} bytes`),
    ...(own
      ? [
          line('for', [own.task, own.objective].filter(Boolean).join(', ')),
          line(
            'size',
            own.trees === undefined ? own.kind : `${count(own.trees)} trees, ${count(own.nodes ?? 0)} nodes`,
          ),
          line(
            'inputs',
            own.features.slice(0, 12).map(featureText).join(', ') +
              (own.features.length > 12 ? `, … ${own.features.length} in all` : ''),
          ),
          line('outputs', own.classes?.join(', ') ?? `${own.nOutputs} by ${own.link}`),
          line('in memory', `${count(own.scorerBytes)} bytes`),
          ...own.notes.map((note) => line('note', note)),
        ]
      : []),
    ...(onnx
      ? [
          line(
            'ONNX',
            `IR ${onnx.irVersion}, ${Object.entries(onnx.opsets)
              .map(([domain, version]) => `${domain} ${version}`)
              .join(', ')}, by ${onnx.producer || 'unknown'}`,
          ),
          line('takes', ports(onnx.inputs)),
          line('gives', ports(onnx.outputs)),
          line(
            'operators',
            onnx.operators
              .slice(0, 12)
              .map(([name, n]) => `${name} ${n}`)
              .join(', '),
          ),
          line(
            'constants',
            `${count(onnx.constantBytes)} bytes${onnx.external.length > 0 ? `, ${onnx.external.length} tensors in other files` : ''}`,
          ),
          ...onnx.problems.flatMap(({ problem, fix }) => [
            line('problem', paint.bad(problem)),
            line('fix', fix),
          ]),
        ]
      : []),
    ...(refused ? [line('scored by', refused)] : []),
  ]
}

function featureText({
  name,
  type,
  categories,
}: {
  name: string
  type: string
  categories?: unknown[]
}): string {
  return type === 'number' ? name : `${name} (${categories ? `${categories.length} categories` : 'codes'})`
}

export async function modelImport(cli: Cli, [file]: readonly unknown[], options: Options): Promise<Answer> {
  const reading = readingOf(options)
  const as = textOption(options, 'as')
  if (as === undefined)
    throw await missingModel(cli, "option '--as' is needed", 'millrace model import --help')
  const rt = await cli.open()
  const { name } = modelDef(rt, as)
  const path = relative(rt.folder, resolve(file as string))
  const trained = await trainStep(cli, rt, {
    model: name,
    trainer: imported(path, reading),
    reason: textOption(options, 'reason') ?? `imported from ${path}`,
  })
  return trainedAnswer(cli, name, trained)
}

/** What the file does not say of itself. */
function readingOf(options: Options): Parameters<typeof imported>[1] {
  const list = (name: string) =>
    textOption(options, name)
      ?.split(',')
      .map((text) => text.trim())
  const [features, classes, output] = [list('features'), list('classes'), textOption(options, 'output')]
  const gives = oneOf('--gives', textOption(options, 'gives'), ['probabilities', 'scores'] as const)
  const runtime = oneOf('--runtime', textOption(options, 'runtime'), ['onnx'] as const)
  return {
    ...(features && { features }),
    ...(classes && { classes }),
    ...(output !== undefined && { output }),
    ...(gives && { gives }),
    ...(runtime && { runtime }),
  }
}

const FORMATS = ['onnx', 'lightgbm'] as const
type Format = (typeof FORMATS)[number]

const WRITERS: Record<Format, (loaded: LoadedModel) => Uint8Array> = {
  onnx: ({ graph, version }) =>
    exportOnnx(graph.model, {
      calibration: graph.calibration,
      classes: version.classes,
      featureNames: version.featureInfo.map(({ name }) => name),
    }),
  lightgbm: ({ graph, version }) =>
    new TextEncoder().encode(
      exportLightGbmText(graph.model, {
        featureNames: version.featureInfo.map(({ name }) => name),
        task: version.task,
      }),
    ),
}

export async function modelExport(cli: Cli, [name]: readonly unknown[], options: Options): Promise<Answer> {
  const format = oneOf('--format', textOption(options, 'format'), FORMATS) ?? 'onnx'
  const rt = await cli.open()
  const { digest, version, model, member } = await namedVersion(rt, name as string)
  const { bytes, notes, categories } = await exported(rt, digest, format)
  const file =
    textOption(options, 'out') ??
    `${[model, member].filter(Boolean).join('-')}-v${version}.${format === 'onnx' ? 'onnx' : 'txt'}`
  await writeFile(resolve(file), bytes)
  return {
    value: { file, format, bytes: bytes.length, model, member, version, categories, notes },
    lines: [
      '',
      `  ${cli.paint.bold(file)}: ${model} v${version} as ${format}, ${count(bytes.length)} bytes`,
      ...notes.map((note) => `  ${note}`),
      '',
    ],
  }
}

interface Exported {
  bytes: Uint8Array
  notes: string[]
  /** Values of category features by code. */
  categories: { feature: string; values: string[] }[]
}

/** A network that ONNX Runtime scores leaves as the bytes that came. */
async function exported({ store }: Runtime, digest: Digest, format: Format): Promise<Exported> {
  const record = await store.getRecord<ModelVersion>(digest, 'ModelVersion')
  if (record.format === 'onnx') {
    if (format !== 'onnx')
      throw new MillraceError('MR_MODEL_EXPORT', {
        format,
        what: 'ONNX network',
        known: 'trees; the network leaves as it came, with --format onnx',
      })
    return { bytes: await store.objects.get(record.graph), notes: [readingNote(record)], categories: [] }
  }
  const loaded = await loadModel(store, digest)
  const categories = loaded.features.features.flatMap(({ name: feature, state }) =>
    state?.kind === 'category' ? [{ feature, values: state.values }] : [],
  )
  return { bytes: WRITERS[format](loaded), notes: exportNotes(loaded, format), categories }
}

function readingNote({ reading, featureInfo }: ModelVersion): string {
  const inputs = reading?.inputs ?? []
  const some = (features: number[]) =>
    `${features
      .slice(0, 8)
      .map((j) => featureInfo[j].name)
      .join(', ')}${features.length > 8 ? ', …' : ''}`
  return `The network as it was imported: ${inputs.map(({ name, features }) => `${name} is ${some(features)}`).join('; ')}.`
}

function exportNotes({ graph, features }: LoadedModel, format: Format): string[] {
  const isCalibrated = graph.calibration !== null && graph.calibration.kind !== 'none'
  const coded = features.features.filter(({ state }) => state?.kind === 'category').map(({ name }) => name)
  return [
    ...(format === 'lightgbm' && isCalibrated
      ? ['LightGBM has no place for the calibration: outputs are those before it.']
      : []),
    ...(coded.length > 0
      ? [
          `Inputs are features as codes: the values of ${coded.join(', ')} by code are in the answer of --json.`,
        ]
      : []),
  ]
}
