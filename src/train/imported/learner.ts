import { assert, MillraceError } from '../../core/errors.ts'
import type { TrainerDef } from '../../define/types.ts'
import { alignModel, columnsFor } from '../../model/import/align.ts'
import type { ImportedModel } from '../../model/import/imported.ts'
import { type Learned, type LearnedGraph, type Learner, type LearnInput, ownModel } from '../learner.ts'
import { networkLearned, openModelFile } from './network.ts'

type Imported = Extract<TrainerDef, { kind: 'imported' }>

/** Nothing is learned: the model is read from a file, its features are found by name, and it is measured, gated and released as any other. */
export const importedLearner: Learner<Imported> = {
  kind: 'imported',
  tasks: ['binary', 'regression', 'multiclass', 'ranking'],
  calibrates: () => false,
  learn: (input, trainer) => ownModel(learnAny(input, trainer), 'imported'),
  learnAny,
}

async function learnAny(input: LearnInput, trainer: Imported): Promise<Learned | LearnedGraph> {
  const { file } = trainer
  assert(input.file, 'the file of an imported model is among the inputs of its run')
  const opened = openModelFile(input.file, trainer.runtime)
  if (opened.kind === 'model') return { model: modelOf(opened.imported, input, trainer) }
  input.note(`imported from ${file}: a network that ONNX Runtime scores (${opened.why})`)
  return await networkLearned(input, {
    file,
    bytes: input.file,
    graph: opened.graph,
    declared: trainer,
  })
}

function modelOf(imported: ImportedModel, input: LearnInput, { file, features, classes }: Imported) {
  checkTask(imported.task, input, file)
  if (features) nameFeatures(imported.features, features)
  input.note(`imported from ${file}: ${imported.source}, ${imported.objective || 'no objective'}`)
  for (const note of imported.notes) input.note(note)
  const model = imported.withBase?.(fileColumns(imported, input)) ?? imported.model
  return alignModel(
    { ...imported, model, classes: classes ?? imported.classes },
    input.features,
    input.classes,
  )
}

/** Training columns in the file's order. */
function fileColumns({ features }: ImportedModel, input: LearnInput): Float64Array[] {
  return Array.from(columnsFor(features, input.features), (j) => input.train.columns[j])
}

/** A regression may rank, as its score is a score; other tasks must be the model's own. */
function checkTask(task: LearnInput['task'], { task: asked }: LearnInput, file: string): void {
  if (task === asked || (task === 'regression' && asked === 'ranking')) return
  throw new MillraceError('MR_TRAIN_IMPORTED_TASK', { file, task, asked })
}

/** Names for a file that has none, in the order of its columns. */
function nameFeatures(features: { name: string; named: boolean }[], names: readonly string[]): void {
  if (names.length !== features.length)
    throw new MillraceError('MR_TRAIN_IMPORTED_NAMES', { need: features.length, got: names.length })
  features.forEach((feature, j) => {
    feature.name = names[j]
    feature.named = true
  })
}
