import { MillraceError } from '../core/errors.ts'
import { emptyCells, emptyCounts, type ScoreCells, type ScoreCounts } from './counts.ts'

/** `ScoreCounts` as JSON: filled cells only, as rows `[cell, rows, score, loss, lossSquared, squaredError]`. */
export interface EncodedCounts {
  kind: 'ScoreCounts'
  nBins: number
  groups: Record<string, number[][]>
}

/** Plain JSON of counts; groups sorted by name, so equal counts have equal text. */
export function encodeCounts(counts: ScoreCounts): EncodedCounts {
  const names = [...counts.groups.keys()].sort()
  const groups = Object.fromEntries(names.map((name) => [name, encodeCells(counts.groups.get(name)!)]))
  return { kind: 'ScoreCounts', nBins: counts.nBins, groups }
}

function encodeCells(c: ScoreCells): number[][] {
  const rows: number[][] = []
  for (let i = 0; i < c.rows.length; i++) {
    if (c.rows[i] > 0) rows.push([i, c.rows[i], c.score[i], c.loss[i], c.lossSquared[i], c.squaredError[i]])
  }
  return rows
}

/** Reads `encodeCounts` back; MR_STATS_DECODE when it is not such a thing. */
export function decodeCounts(encoded: EncodedCounts): ScoreCounts {
  if (encoded?.kind !== 'ScoreCounts' || !Number.isInteger(encoded.nBins) || encoded.nBins < 1)
    throw new MillraceError('MR_STATS_DECODE', { what: 'ScoreCounts', why: 'kind or nBins is missing' })
  const counts = emptyCounts(encoded.nBins)
  for (const [name, rows] of Object.entries(encoded.groups))
    counts.groups.set(name, decodeCells(rows, encoded.nBins))
  return counts
}

function decodeCells(rows: number[][], nBins: number): ScoreCells {
  const cells = emptyCells(nBins)
  for (const row of rows) {
    const [i] = row
    if (row.length !== 6 || !Number.isInteger(i) || i < 0 || i >= 2 * nBins || !row.every(Number.isFinite))
      throw new MillraceError('MR_STATS_DECODE', { what: 'ScoreCounts', why: `cell ${i} is malformed` })
    cells.rows[i] = row[1]
    cells.score[i] = row[2]
    cells.loss[i] = row[3]
    cells.lossSquared[i] = row[4]
    cells.squaredError[i] = row[5]
  }
  return cells
}
