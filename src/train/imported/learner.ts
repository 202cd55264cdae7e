import { assert, MillraceError } from '../../core/errors.ts'
import type { TrainerDef } from '../../define/types.ts'
import { alignModel } from '../../model/import/align.ts'
import { readModelFile } from '../../model/import/open.ts'
import type { Learner, LearnInput } from '../learner.ts'

/** Nothing is learned: the model is read from a file, its features are found by name, and it is measured, gated and released as any other. */
export const importedLearner: Learner<Extract<TrainerDef, { kind: 'imported' }>> = {
  kind: 'imported',
  tasks: ['binary', 'regression', 'multiclass', 'ranking'],
  uncalibrated: true,
  learn(input, { file, features }) {
    assert(input.file, 'the file of an imported model is among the inputs of its run')
    const imported = readModelFile(input.file)
    checkTask(imported.task, input, file)
    if (features) nameFeatures(imported.features, features)
    input.note(`imported from ${file}: ${imported.source}, ${imported.objective || 'no objective'}`)
    for (const note of imported.notes) input.note(note)
    return { model: alignModel(imported, input.features, input.classes) }
  },
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
