/** What the search for triggers is given, and what it gives. */
import type { ModelVersion } from '../../core/records.ts'
import type { OnnxFile } from '../../model/import/onnx-file.ts'
import type { MatrixFile } from '../../model/matrix.ts'
import type { LabelTrigger } from '../../stats/label-triggers.ts'
import type { TriggerReport } from './report.ts'
import type { PoisonParams } from './specs.ts'

export interface TriggersAsked {
  params: PoisonParams
  model: ModelVersion
  matrix: MatrixFile
  classes: readonly string[]
  /** The network, of models that are one. */
  file: OnnxFile | null
  /** What the rows of a table that teach say. */
  values: LabelTrigger[]
}

export interface Triggers {
  found: TriggerReport[]
  notes: string[]
}
