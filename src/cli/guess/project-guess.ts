/** Everything that `millrace init` guesses from a look at files, each with its reason. Pure. */

import type { Inspection } from '../../data/index.ts'
import type { DatasetDef } from '../../define/types.ts'
import { guessLeftOut, type LeftOut } from './left-out.ts'
import { datasetName, modelName, plainName } from './names.ts'
import { guessTarget, type TargetGuess, type TargetWishes } from './target.ts'
import { guessSplit, guessTime, type SplitGuess, type TimeGuess } from './time.ts'

export interface Wishes extends TargetWishes {
  time?: string
  name?: string
  model?: string
}

export interface ProjectGuess {
  name: string
  dataset: string
  model: string
  /** Paths relative to the config's folder. */
  source: string[]
  /** What the dataset must say to be read this way; empty when nothing. */
  read: Partial<DatasetDef['read']>
  rows: number
  columns: { name: string; type: string }[]
  target: TargetGuess
  /** Whether the target's column is true or false by itself. */
  logical: boolean
  time?: TimeGuess
  leftOut: LeftOut[]
  split: SplitGuess
}

export function guessProject(
  look: Pick<Inspection, 'format' | 'rows' | 'columns' | 'preview' | 'read' | 'timeColumns'>,
  source: readonly string[],
  wishes: Wishes,
): ProjectGuess {
  const time = guessTime(look.columns, look.timeColumns, wishes.time)
  const candidates = look.columns.filter((c) => c.name !== time?.column)
  const target = guessTarget(candidates, look.preview, wishes)
  const dataset = wishes.name === undefined ? datasetName(source[0]) : plainName(wishes.name, 'data')
  return {
    name: dataset,
    dataset,
    model: wishes.model === undefined ? modelName(target.column, dataset) : plainName(wishes.model, 'model'),
    source: [...source],
    read: neededRead(look),
    rows: look.rows,
    columns: look.columns.map(({ name, type }) => ({ name, type })),
    target,
    logical: look.columns.find((c) => c.name === target.column)?.type === 'bool',
    time,
    leftOut: guessLeftOut(look.columns, look.preview, look.rows, target, time?.column),
    split: guessSplit(time),
  }
}

/** What must be said for the file to be read as it was looked at; the rest is found again by itself. */
function neededRead({ format, read }: Pick<Inspection, 'format' | 'read'>): Partial<DatasetDef['read']> {
  return {
    ...(format === 'csv' && read.delimiter !== undefined && read.delimiter !== ','
      ? { delimiter: read.delimiter }
      : {}),
    ...(read.missing.length > 0 ? { missing: read.missing } : {}),
  }
}
