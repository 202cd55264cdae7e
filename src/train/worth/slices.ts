/** Slices of the rows by one feature each: a category, or a quarter of the numbers. */
import type { MatrixHeader, MatrixSlice } from '../../model/matrix.ts'
import { quantiles } from '../../stats/quantiles.ts'
import type { Groups } from './pool.ts'

/** A feature that rows are sliced by. */
export interface Slicing {
  feature: string
  names: string[]
  /** Slice of each row, -1 for rows in none. */
  train: Int32Array
  test: Int32Array
}

/** Features that are sliced by, categories of one, and members of a family. */
export const SLICE_LIMITS = { features: 64, categories: 20, members: 50 }
const QUARTERS = [0.25, 0.5, 0.75]

export type SliceFeature = MatrixHeader['features'][number] & { values?: readonly string[] }

export function slicingsOf(
  features: readonly SliceFeature[],
  train: MatrixSlice,
  test: MatrixSlice,
): Slicing[] {
  return features.slice(0, SLICE_LIMITS.features).flatMap((feature, j) => {
    const { names, of } = feature.type === 'category' ? byCategory(feature) : byQuarter(train.columns[j])
    if (names.length < 2) return []
    return [
      {
        feature: feature.name,
        names,
        train: Int32Array.from(train.columns[j], of),
        test: Int32Array.from(test.columns[j], of),
      },
    ]
  })
}

/** A family's members as slices: those with most training rows. */
export function slicingOfMembers(
  column: string,
  { codes, names }: Groups,
  keyOfTest: (iTest: number) => string,
  nTests: number,
): Slicing {
  const rows = new Int32Array(names.length)
  for (const code of codes) rows[code]++
  const kept = [...names.keys()]
    .filter((code) => names[code] !== null && rows[code] > 0)
    .sort((a, b) => rows[b] - rows[a] || a - b)
    .slice(0, SLICE_LIMITS.members)
  const place = new Map(kept.map((code, at) => [code, at]))
  const byName = new Map(kept.map((code, at) => [names[code] as string, at]))
  return {
    feature: column,
    names: kept.map((code) => (names[code] as string).slice(0, 64)),
    train: codes.map((code) => place.get(code) ?? -1),
    test: Int32Array.from({ length: nTests }, (_, i) => byName.get(keyOfTest(i)) ?? -1),
  }
}

interface Cut {
  names: string[]
  of(x: number): number
}

/** Codes go by falling row counts, so the most frequent ones are kept. */
function byCategory({ values = [] }: SliceFeature): Cut {
  const kept = values.slice(0, SLICE_LIMITS.categories).map((value) => value.slice(0, 64))
  return {
    names: [...kept, 'missing'],
    of: (x) => (Number.isNaN(x) ? kept.length : x < kept.length ? x : -1),
  }
}

function byQuarter(column: Float64Array): Cut {
  const present = column.filter(Number.isFinite)
  const edges = present.length === 0 ? [] : [...new Set(quantiles(present, QUARTERS))]
  const text = edges.map((edge) => String(Number(edge.toPrecision(4))))
  const names = [...edges.keys(), edges.length].map((i) =>
    i === 0
      ? `up to ${text[0]}`
      : i === edges.length
        ? `above ${text[i - 1]}`
        : `${text[i - 1]} to ${text[i]}`,
  )
  if (edges.length === 0) return { names: [], of: () => -1 }
  return {
    names: [...names, 'missing'],
    of: (x) => (Number.isNaN(x) ? names.length : edges.filter((edge) => x > edge).length),
  }
}
