/** Columns that decide another one: a zip code has one city. Also where the data disagree: sources that report one flight at different times. */
import { grouped } from '../../core/grouped.ts'
import { seededRng, shuffle } from '../../core/rng.ts'
import { checks } from '../../define/checks.ts'
import { type Candidate, percentText } from './candidate.ts'
import type { Sample, SampledColumn } from './sample.ts'

/** Rows in groups of two or more, at least. */
const ROWS_MIN = 30
const GROUPS_MIN = 3
/** How far a dependency is above what chance gives groups of the same sizes: 1 is an exact one. */
const STRENGTH_MIN = 0.9
/** Where one value is frequent everywhere, chance alone agrees often; then it takes few exceptions, in few of many groups, and far fewer than by chance. */
const SKEWED = { strengthMin: 0.4, groupsMin: 10, settledMin: 0.95, differingMax: 0.05, deviationsMin: 3 }
/** Weaker ones are taken for a dependency with errors when they are borne out by many groups, nearly all of them of one mind. */
const DISPUTED = { strengthMin: 0.4, groupsMin: 20, valuesMin: 8, settledMin: 0.5 }
/** Of what decides another column with exceptions: rows without it cannot be told right from wrong. */
const FILLED_MIN = 0.99
/** Dependencies kept for each determined column. */
const KEPT = 2
/** A column of nearly as many values as rows decides everything by being different. */
const ROWS_PER_GROUP_MIN = 1.5

export function dependencies(sample: Sample): Candidate[] {
  const shuffled = shuffle(
    Int32Array.from({ length: sample.rows }, (_, i) => i),
    seededRng(1),
  )
  const grouping = sample.columns.map(groupsOf)
  return sample.columns.flatMap((determined) => {
    if (determined.distinct < 2) return []
    const found = sample.columns.flatMap((by, i) => {
      if (by === determined || !isUsable(by, sample.rows)) return []
      if (isNearlySame(by, determined)) return []
      const agreement = agreementOf(grouping[i]!, determined, shuffled)
      return isDependency(agreement, by, determined) ? [{ by: [by], determined, ...agreement }] : []
    })
    const best = found.toSorted(better).slice(0, KEPT)
    return best.map((one) => candidate(withSecond(one, sample, shuffled) ?? one))
  })
}

/**
 * The same dependency by one column more, where that explains a good part of the exceptions: a measure has one average a state. Chance is a second column whose
 * values are dealt out anew, since smaller groups have fewer exceptions anyway.
 */
function withSecond(one: Found, sample: Sample, shuffled: Int32Array): Found | undefined {
  const exceptions = one.rows - one.agreeing
  if (exceptions < SECOND.exceptionsMin || strengthOf(one) < STRENGTH_MIN) return undefined
  const seconds = sample.columns.flatMap((second) => {
    if (second === one.by[0] || second === one.determined || !isSecond(second, sample.rows)) return []
    const both = crossed(one.by[0]!, second.codes)
    const dealt = crossed(
      one.by[0]!,
      shuffled.map((row) => second.codes[row]!),
    )
    const real = agreementOf(groupsOf(both), one.determined, shuffled)
    const byChance = agreementOf(groupsOf(dealt), one.determined, shuffled)
    const left = real.rows - real.agreeing
    const isBetter =
      left <= SECOND.leftMax * (byChance.rows - byChance.agreeing) &&
      left <= SECOND.leftMax * exceptions &&
      real.rows >= SECOND.rowsMin * one.rows
    return isBetter ? [{ ...real, by: [one.by[0]!, second], determined: one.determined }] : []
  })
  return seconds.toSorted((a, b) => a.rows - a.agreeing - (b.rows - b.agreeing) || b.rows - a.rows)[0]
}

const SECOND = { exceptionsMin: 10, leftMax: 0.7, rowsMin: 0.9, valuesMax: 100 }

const isSecond = ({ type, distinct, filled }: SampledColumn, rows: number): boolean =>
  type !== 'float' &&
  distinct >= 2 &&
  distinct <= Math.min(SECOND.valuesMax, rows / 20) &&
  filled >= FILLED_MIN

/** One code for each pair of values that occurs. */
function crossed({ codes }: SampledColumn, second: Int32Array): Pick<SampledColumn, 'codes' | 'distinct'> {
  const known = new Map<number, number>()
  const both = codes.map((code, row) => {
    const other = second[row]!
    if (code === 0 || other === 0) return 0
    const pair = code * (SECOND.valuesMax + 1) + other
    const seen = known.get(pair) ?? known.size + 1
    known.set(pair, seen)
    return seen
  })
  return { codes: both, distinct: known.size }
}

/** Two counts of nearly the same thing: the one does not decide the other, it is close to it. */
function isNearlySame(a: SampledColumn, b: SampledColumn): boolean {
  if (!a.numbers || !b.numbers) return false
  let [equal, both] = [0, 0]
  for (let i = 0; i < a.numbers.length; i++) {
    if (Number.isNaN(a.numbers[i]!) || Number.isNaN(b.numbers[i]!)) continue
    both++
    if (a.numbers[i] === b.numbers[i]) equal++
  }
  return equal > NEARLY_SAME * both && equal < both
}

const NEARLY_SAME = 0.5

interface Agreement {
  /** Rows in groups of two or more with a value. */
  rows: number
  groups: number
  /** Rows that have the most frequent value of their group. */
  agreeing: number
  /** The same with values dealt out anew. */
  agreeingByChance: number
  /** Groups whose most frequent value is held by at least twice as many rows as the next. */
  settled: number
}

type Found = Agreement & { by: SampledColumn[]; determined: SampledColumn }

const strengthOf = ({ rows, agreeing, agreeingByChance }: Agreement): number =>
  rows === agreeingByChance ? 0 : (agreeing - agreeingByChance) / (rows - agreeingByChance)

function isUsable({ type, distinct }: SampledColumn, rows: number): boolean {
  return type !== 'float' && distinct >= 2 && distinct * ROWS_PER_GROUP_MIN <= rows
}

function isDependency(agreement: Agreement, by: SampledColumn, determined: SampledColumn): boolean {
  const { rows, groups, settled } = agreement
  if (rows < ROWS_MIN || groups < 2) return false
  const strength = strengthOf(agreement)
  const chanceFails = rows - agreement.agreeingByChance
  if (strength === 1) return chanceFails >= 5
  if (groups < GROUPS_MIN || chanceFails < 10 || by.filled < FILLED_MIN) return false
  return (
    (strength >= STRENGTH_MIN && settled >= 0.9 * groups) ||
    (strength >= SKEWED.strengthMin &&
      groups >= SKEWED.groupsMin &&
      settled >= SKEWED.settledMin * groups &&
      chanceFails - (rows - agreement.agreeing) >= SKEWED.deviationsMin * Math.sqrt(chanceFails) &&
      rows - agreement.agreeing <= SKEWED.differingMax * rows) ||
    (strength >= DISPUTED.strengthMin &&
      groups >= DISPUTED.groupsMin &&
      determined.distinct >= DISPUTED.valuesMin &&
      settled >= DISPUTED.settledMin * groups)
  )
}

/** The stronger first; of equals the one that says something of more rows, then the one with fewer values. */
function better(a: Found, b: Found): number {
  return strengthOf(b) - strengthOf(a) || b.rows - a.rows || a.by[0]!.distinct - b.by[0]!.distinct
}

function candidate(found: Found): Candidate {
  const { by, determined, rows, groups, agreeing } = found
  const differing = rows - agreeing
  const share = differing / rows
  const names = by.map(({ name }) => name)
  return {
    kind: 'determines',
    check: checks.determines(names as [string], determined.name).def,
    columns: [...names, determined.name],
    why:
      differing === 0
        ? `all ${grouped(rows)} rows of ${grouped(groups)} values of ${names.join(' and ')} that come more than once agree`
        : `${percentText(1 - share)} of ${grouped(rows)} rows have what most rows of the same ${names.join(' and ')} have, where chance would give ${percentText(found.agreeingByChance / rows)}`,
    failingMax: differing === 0 ? 0.01 : Math.min(0.6, 2 * share + 0.01),
  }
}

// ---------------------------------------------------------------- groups

interface Groups {
  /** Rows in the order of their group. */
  order: Int32Array
  /** `[groups + 1]`: where each group begins in `order`. Group 0 is of missing values. */
  begins: Int32Array
}

function groupsOf({ codes, distinct }: Pick<SampledColumn, 'codes' | 'distinct'>): Groups {
  const begins = new Int32Array(distinct + 2)
  for (const code of codes) begins[code + 1]!++
  for (let g = 1; g < begins.length; g++) begins[g]! += begins[g - 1]!
  const next = begins.slice()
  const order = new Int32Array(codes.length)
  for (let row = 0; row < codes.length; row++) order[next[codes[row]!]!++] = row
  return { order, begins }
}

function agreementOf(groups: Groups, { codes, distinct }: SampledColumn, shuffled: Int32Array): Agreement {
  const counts = new Int32Array(distinct + 1)
  const total: Agreement = { rows: 0, groups: 0, agreeing: 0, agreeingByChance: 0, settled: 0 }
  for (let g = 1; g + 1 < groups.begins.length; g++) {
    const rows = groups.order.subarray(groups.begins[g], groups.begins[g + 1])
    const real = mostOf(rows, codes, counts)
    if (real.rows < 2) continue
    const byChance = mostOf(
      rows.map((row) => shuffled[row]!),
      codes,
      counts,
    )
    total.rows += real.rows
    total.groups++
    total.agreeing += real.most
    total.agreeingByChance +=
      byChance.rows === 0 ? 0 : Math.round((byChance.most * real.rows) / byChance.rows)
    if (real.most >= 2 * real.second) total.settled++
  }
  return total
}

/** The most and second most frequent value of some rows; `counts` is all zeros before and after. */
function mostOf(
  rows: Int32Array,
  codes: Int32Array,
  counts: Int32Array,
): { rows: number; most: number; second: number } {
  let [filled, most, second] = [0, 0, 0]
  let leader = 0
  for (const row of rows) {
    const code = codes[row]!
    if (code === 0) continue
    filled++
    const n = ++counts[code]!
    if (code === leader) most = n
    else if (n > most) {
      second = most
      most = n
      leader = code
    } else if (n > second) second = n
  }
  for (const row of rows) counts[codes[row]!] = 0
  return { rows: filled, most, second }
}
