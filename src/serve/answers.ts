/** What an answer says, by the task of its model: fields of the JSON, tensors, and what an outcome may be. Everything else of the station asks here. */
import type { ModelTask } from '../core/records.ts'
import { LABEL_THRESHOLD } from '../model/measures/binary.ts'
import { likeliestOf } from '../model/measures/classes.ts'

/** Outputs of a request: `[n * width]`, row by row, `width` being the number of classes or 1. */
export interface Outputs {
  task: ModelTask
  outputs: Float64Array
  classes?: readonly string[]
  /** Group of each row, where the model ranks. */
  groups?: readonly string[]
  /** Share from which a yes or no is a yes, where the model or the request states one. */
  threshold?: number
}

export interface OutputTensor {
  name: string
  datatype: 'FP64' | 'BOOL' | 'BYTES' | 'INT64'
  /** Whether each row has one element a class. */
  perClass?: boolean
  data: (answers: Outputs) => (number | boolean | string)[]
}

type JsonSchema = Record<string, unknown>

interface AnswerKind {
  /** Fields of one row's answer, `output` among them. */
  fields(answers: Outputs, row: number): Record<string, unknown>
  /** The same as JSON schemas. */
  schema(classes: readonly string[]): Record<string, JsonSchema>
  /** Tensors that come unasked. */
  tensors: OutputTensor[]
  /** An outcome as the log keeps it; undefined when the model cannot take it. */
  outcome(value: number | boolean | string): number | string | undefined
  /** What an outcome must be. */
  outcomeNeed: string
}

const widthOf = ({ classes }: Pick<Outputs, 'classes'>): number => classes?.length ?? 1

/** The class said of a row, as an index into the classes. */
export function codeSaid({ outputs, classes }: Pick<Outputs, 'outputs' | 'classes'>, row: number): number {
  const width = classes?.length ?? 1
  return likeliestOf(outputs, row * width, width)
}

const numbers = (name: string): OutputTensor => ({
  name,
  datatype: 'FP64',
  data: ({ outputs }) => Array.from(outputs),
})

const asNumber = (value: number | boolean | string): number | undefined =>
  typeof value === 'string' ? undefined : Number(value)

const NUMBER: JsonSchema = { type: 'number' }
const PROBABILITY: JsonSchema = { type: 'number', minimum: 0, maximum: 1 }

const KINDS: Readonly<Record<ModelTask, AnswerKind>> = {
  binary: {
    fields: ({ outputs, threshold = LABEL_THRESHOLD }, row) => ({
      output: outputs[row],
      probability: outputs[row],
      label: outputs[row] >= threshold,
      threshold,
    }),
    schema: () => ({
      output: PROBABILITY,
      probability: PROBABILITY,
      label: { type: 'boolean' },
      threshold: PROBABILITY,
    }),
    tensors: [
      numbers('probability'),
      {
        name: 'label',
        datatype: 'BOOL',
        data: ({ outputs, threshold = LABEL_THRESHOLD }) => Array.from(outputs, (p) => p >= threshold),
      },
    ],
    outcome: asNumber,
    outcomeNeed: 'a finite number, true or false',
  },
  regression: {
    fields: ({ outputs }, row) => ({ output: outputs[row], value: outputs[row] }),
    schema: () => ({ output: NUMBER, value: NUMBER }),
    tensors: [numbers('value')],
    outcome: asNumber,
    outcomeNeed: 'a finite number, true or false',
  },
  multiclass: {
    fields: (answers, row) => {
      const { outputs, classes = [] } = answers
      const code = codeSaid(answers, row)
      const at = row * classes.length
      return {
        output: outputs[at + code],
        label: classes[code],
        probabilities: Object.fromEntries(classes.map((label, k) => [label, outputs[at + k]])),
      }
    },
    schema: (classes) => ({
      output: PROBABILITY,
      label: { type: 'string', enum: classes },
      probabilities: {
        type: 'object',
        required: classes,
        properties: Object.fromEntries(classes.map((label) => [label, PROBABILITY])),
      },
    }),
    tensors: [
      { ...numbers('probabilities'), perClass: true },
      {
        name: 'label',
        datatype: 'BYTES',
        data: (answers) => {
          const { outputs, classes = [] } = answers
          return Array.from(
            { length: outputs.length / widthOf(answers) },
            (_, row) => classes[codeSaid(answers, row)],
          )
        },
      },
    ],
    outcome: String,
    outcomeNeed: 'the label of a class',
  },
  ranking: {
    fields: (answers, row) => ({
      output: answers.outputs[row],
      score: answers.outputs[row],
      rank: ranksOf(answers)[row],
    }),
    schema: () => ({ output: NUMBER, score: NUMBER, rank: { type: 'integer', minimum: 1 } }),
    tensors: [
      numbers('score'),
      { name: 'rank', datatype: 'INT64', data: (answers) => [...ranksOf(answers)] },
    ],
    outcome: (value) => {
      const relevance = asNumber(value)
      return relevance !== undefined && relevance >= 0 ? relevance : undefined
    },
    outcomeNeed: 'a relevance: a finite number of at least 0, true or false',
  },
}

export const answerKind = (task: ModelTask): AnswerKind => KINDS[task]

const ranks = new WeakMap<Float64Array, readonly number[]>()

/** Place of each row within its group, 1 first; of equal scores the row that was sent first. Kept with the outputs. */
function ranksOf({ outputs, groups }: Outputs): readonly number[] {
  const known = ranks.get(outputs)
  if (known) return known
  const found = new Array<number>(outputs.length)
  const placed = new Map<string, number>()
  const order = Array.from(outputs.keys()).sort((a, b) => outputs[b] - outputs[a] || a - b)
  for (const row of order) {
    const group = groups?.[row] ?? ''
    const rank = (placed.get(group) ?? 0) + 1
    placed.set(group, rank)
    found[row] = rank
  }
  ranks.set(outputs, found)
  return found
}

/** Rows in the order of their ranks, group by group as they were sent. */
export function rankedRows(answers: Outputs): number[] {
  const place = ranksOf(answers)
  const first = new Map<string, number>()
  const groupAt = place.map((_, row) => {
    const group = answers.groups?.[row] ?? ''
    const at = first.get(group) ?? row
    first.set(group, at)
    return at
  })
  return [...place.keys()].sort((a, b) => groupAt[a] - groupAt[b] || place[a] - place[b])
}
