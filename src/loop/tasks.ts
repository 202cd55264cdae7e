/** All the work that a worker can be asked to do: the tasks of every station. Workers load this module. */
import { editTask } from '../data/edit-task.ts'
import { importTask } from '../data/import-task.ts'
import { mergeTask } from '../data/merge-task.ts'
import { sketchTask } from '../data/sketch-task.ts'
import type { Task } from '../engine/ports.ts'
import { behaviourTask } from '../gate/behaviour-task.ts'
import { gateTask } from '../gate/task.ts'
import { compareTask } from '../train/compare.ts'
import { fitTask } from '../train/fit.ts'
import { likenessTask } from '../train/likeness/task.ts'
import { onlineTask } from '../train/online.ts'
import { poisonTask } from '../train/poison/task.ts'
import { prepareTask } from '../train/prepare.ts'
import { scoreTask } from '../train/score-periods.ts'
import { trialTask } from '../train/trial.ts'
import { worthTask } from '../train/worth/task.ts'
import { explainTask } from './explain-task.ts'
import { triageTask } from './triage-task.ts'

const tasks: Task[] = [
  importTask,
  sketchTask,
  editTask,
  mergeTask,
  prepareTask,
  trialTask,
  fitTask,
  scoreTask,
  gateTask,
  behaviourTask,
  onlineTask,
  worthTask,
  compareTask,
  likenessTask,
  poisonTask,
  explainTask,
  triageTask,
]

export default tasks
