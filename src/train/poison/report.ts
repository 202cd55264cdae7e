/** What `train.poison` finds: shares and counts by class, never values of rows. Findings of single rows are in the Parquet beside it. */
import type { Digest } from '../../core/records.ts'
import type { ClassFinding } from '../../stats/foreign-groups.ts'
import type { ItemKind } from '../../stats/trigger-items.ts'

export interface PoisonReport {
  kind: 'PoisonReport'
  model: string
  /** ModelVersion whose layer was read. */
  version: Digest
  dataset: Digest
  /** Parquet with what was found of each row. */
  findings: Digest
  /** The layer, for people, and numbers that a row has in it. */
  layer: string
  width: number
  /** Training rows that were looked at. */
  rows: number
  /** Chance that any clean class would be called poisoned. */
  alpha: number
  /** Rows of poisoned classes that belong to others. */
  poisoned: number
  classes: ClassReport[]
  /** What turns rows of other classes into one, where it was looked for. */
  triggers: TriggerReport[]
  notes: string[]
}

/** `p` and shares are null where a class has too few rows. */
export interface ClassReport
  extends Omit<ClassFinding, 'looksLike' | 'p' | 'own' | 'shared' | 'marked' | 'markedElsewhere'> {
  label: string
  /** What says that it is poisoned: a group of rows in the layer, values that turn rows into it, or both. */
  by: 'layer' | 'values' | 'both' | null
  p: number | null
  own: number | null
  shared: number | null
  marked: number | null
  markedElsewhere: number | null
  looksLike: { label: string; rows: number }[]
}

/** A change of few inputs that turns rows into a class. */
export interface TriggerReport {
  label: string
  /** Inputs that the change takes, as a sum of shares; of a table the number of features. */
  size: number
  /** Of pictures: chance of a trigger as small if the class were like the others, null of few classes. Of tables: that of `LabelTrigger`, null where no test was failed. */
  p: number | null
  /** Deviations below the other classes' median, as Neural Cleanse counts; null where it cannot say. */
  anomaly: number | null
  /** Of tables, `inconclusive` is a value that turns rows and may do so by nature: the rows that teach do not say that it was put there. */
  verdict: 'trigger' | 'none' | 'inconclusive'
  /** Of tables: training rows that bear it and have the label, and that bear it and have another; null where it was not found among them. */
  rows: number | null
  rowsOfOthers: number | null
  /** Share of validation rows of other classes that the change turns into this one; null of tables that a network of others reads, where it is not tried. */
  success: number | null
  /** Features that change most: names, and values they are given. */
  features: { feature: string; is?: ItemKind; value: number | string; share: number }[]
}
