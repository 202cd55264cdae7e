/** What can be wrong with a row: each signal with the column that tells it, and how strongly. Shared code reads this list and never asks which signal it has. */
import type { ColumnType } from '../core/records.ts'

/** Parquets of findings that are joined, as inputs of the join. */
export type SignalSource = 'worth' | 'poison' | 'drift' | 'checks'

export interface Signal {
  name: string
  source: SignalSource
  /** Columns of the source that it needs; a source without them does not have the signal. */
  needs: readonly string[]
  /** Whether a row has it, in SQL over the joined columns. */
  holds: string
  /** How much it speaks against the row, 0 to 1, where it has it. */
  strength: string
  /** What it says of a row, and of several. */
  words: string
  wordsOfRows: string
}

/** In the order in which they are told. Sums of strengths order rows and mean nothing else. */
export const SIGNALS: readonly Signal[] = [
  {
    name: 'check',
    source: 'checks',
    needs: ['checks'],
    holds: 'len(checks) > 0',
    strength: '1.0',
    words: 'fails a check of the data',
    wordsOfRows: 'fail a check',
  },
  {
    name: 'poison',
    source: 'poison',
    needs: ['poison'],
    holds: 'coalesce(poison, false)',
    strength: '1.0',
    words: 'looks planted to teach a trigger',
    wordsOfRows: 'look planted to teach a trigger',
  },
  {
    name: 'label',
    source: 'worth',
    needs: ['label_issue', 'confidence'],
    holds: 'coalesce(label_issue, false)',
    strength: '1.0 - coalesce(confidence, 0.5)',
    words: 'label probably wrong',
    wordsOfRows: 'have a label that is probably wrong',
  },
  {
    name: 'conflict',
    source: 'worth',
    needs: ['conflicting'],
    holds: 'coalesce(conflicting, false)',
    strength: '0.5',
    words: 'copy of a row with another label',
    wordsOfRows: 'are copies with another label',
  },
  {
    name: 'copy',
    source: 'worth',
    needs: ['copy_group'],
    holds: 'copy_place > 1',
    strength: '0.4',
    words: 'exact copy of an earlier row',
    wordsOfRows: 'are copies of earlier rows',
  },
  {
    name: 'near-copy',
    source: 'worth',
    needs: ['near_group', 'copy_group'],
    holds: 'near_place > 1 and (copy_group is null or copy_place = 1)',
    strength: '0.2',
    words: 'as good as a copy of an earlier row',
    wordsOfRows: 'are as good as copies',
  },
  {
    name: 'outlier',
    source: 'worth',
    needs: ['outlier'],
    holds: 'coalesce(outlier, false)',
    strength: '0.3',
    words: 'far from all other rows',
    wordsOfRows: 'are far from all others',
  },
  {
    name: 'harmful',
    source: 'worth',
    needs: ['worth'],
    holds: 'worth < 0',
    strength: '0.5 * worth / nullif(min(worth) over (), 0)',
    words: 'does more harm than good to the validation rows',
    wordsOfRows: 'do more harm than good',
  },
  {
    name: 'stale',
    source: 'drift',
    needs: ['stale'],
    holds: 'coalesce(stale, false)',
    strength: '0.3',
    words: 'unlike the newest rows',
    wordsOfRows: 'are unlike the newest',
  },
]

export const FINDINGS: readonly string[] = SIGNALS.map(({ name }) => name)

/** Columns of the joined table beside `row`, the key, `findings` and `score`, with the types that a filter sees. */
export const TRIAGE_COLUMNS = {
  given: 'string',
  suggested: 'string',
  confidence: 'float',
  issue_rank: 'int',
  worth: 'float',
  distance: 'float',
  copy_group: 'int',
  near_group: 'int',
  likeness: 'float',
  score: 'float',
} as const satisfies Record<string, ColumnType>
