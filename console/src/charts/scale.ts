/** Scales and layouts of the small drawings: pure numbers in, pixels out. */

export type Scale = (value: number) => number

export function linear(domain: readonly [number, number], range: readonly [number, number]): Scale {
  const span = domain[1] - domain[0]
  if (span === 0) return () => (range[0] + range[1]) / 2
  return (value) => range[0] + ((value - domain[0]) / span) * (range[1] - range[0])
}

/** Smallest and largest finite value, widened by `pad` of their distance; null when there is none. */
export function extent(values: Iterable<number | null | undefined>, pad = 0): [number, number] | null {
  let low = Number.POSITIVE_INFINITY
  let high = Number.NEGATIVE_INFINITY
  for (const value of values) {
    if (value === null || value === undefined || !Number.isFinite(value)) continue
    if (value < low) low = value
    if (value > high) high = value
  }
  if (low > high) return null
  const room = low === high ? Math.abs(low) * 0.05 || 0.5 : (high - low) * pad
  return [low - room, high + room]
}

/** About `target` round values inside the domain: steps of 1, 2 or 5 times a power of ten. */
export function ticks(domain: readonly [number, number], target: number): number[] {
  const span = domain[1] - domain[0]
  if (!(span > 0) || target < 1) return [domain[0]]
  const rough = span / target
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * ([1, 2, 5, 10].find((times) => times * power >= rough * 0.75) ?? 10)
  const first = Math.ceil(domain[0] / step - 1e-9)
  const last = Math.floor(domain[1] / step + 1e-9)
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) =>
    Number(((first + i) * step).toPrecision(12)),
  )
}

/** Segments of a line that is broken where a value is missing. */
export function linePath(points: ({ x: number; y: number } | null)[]): string {
  let path = ''
  let down = false
  for (const point of points) {
    if (point === null) {
      down = false
      continue
    }
    path += `${down ? 'L' : 'M'}${point.x.toFixed(1)} ${point.y.toFixed(1)}`
    down = true
  }
  return path
}

/** 95 % interval of a share by Wilson's score, for drawing; `n` rows of which `share` hold. */
export function wilson(share: number, n: number): [number, number] {
  if (n <= 0) return [0, 1]
  const z2 = 1.959963984540054 ** 2
  const mid = (share + z2 / (2 * n)) / (1 + z2 / n)
  const half = (Math.sqrt((share * (1 - share)) / n + z2 / (4 * n * n)) * Math.sqrt(z2)) / (1 + z2 / n)
  return [Math.max(0, mid - half), Math.min(1, mid + half)]
}

export interface ForceStep {
  feature: string
  value: number | null
  contribution: number
  from: number
  to: number
}

/**
 * Contributions as a walk from base to raw score, largest first; those after `stepsMax` fall together into one step.
 * The last step ends at base plus the sum of all contributions.
 */
export function forceSteps(
  base: number,
  contributions: readonly { feature: string; value: number | null; contribution: number }[],
  stepsMax: number,
): ForceStep[] {
  const sorted = [...contributions].sort((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution))
  const kept = sorted.length > stepsMax ? sorted.slice(0, stepsMax - 1) : sorted
  const rest = sorted.slice(kept.length)
  const all =
    rest.length === 0
      ? kept
      : [
          ...kept,
          {
            feature: `${rest.length} others`,
            value: null,
            contribution: rest.reduce((s, c) => s + c.contribution, 0),
          },
        ]
  let at = base
  return all.map((step) => {
    const from = at
    at += step.contribution
    return { ...step, from, to: at }
  })
}

/**
 * Places moments on a line of 0 to 100 on which only busy time has length: stretches in which nothing ran shrink to a gap of 2.
 * `intervals` are half-open `[from, to)` in any order.
 */
export function busyScale(intervals: readonly (readonly [number, number])[]): Scale {
  const busy: [number, number][] = []
  for (const [from, to] of [...intervals].sort((a, b) => a[0] - b[0])) {
    const last = busy.at(-1)
    if (last && from <= last[1]) last[1] = Math.max(last[1], to)
    else busy.push([from, to])
  }
  const total = busy.reduce((sum, [from, to]) => sum + to - from, 0) || 1
  const gap = Math.min(2, 40 / Math.max(1, busy.length))
  const room = 100 - gap * Math.max(0, busy.length - 1)
  return (moment) => {
    let at = 0
    for (const [from, to] of busy) {
      if (moment < from) return Math.max(0, at - gap)
      if (moment <= to) return at + ((moment - from) / total) * room
      at += ((to - from) / total) * room + gap
    }
    return 100
  }
}

export interface RiverInput {
  at: number
  routes: readonly { version: number; role: string; weight: number }[]
}

export interface RiverBand {
  version: number
  /** One block for each stretch between two changes in which the version answers; shares stacked from 0. */
  blocks: { fromAt: number; toAt: number; low: number; high: number }[]
}

/** Traffic shares by version over time as stacked blocks, lower versions below. `untilAt` closes the last stretch. */
export function riverBands(changes: readonly RiverInput[], untilAt: number): RiverBand[] {
  const ordered = [...changes].sort((a, b) => a.at - b.at)
  const bands = new Map<number, RiverBand>()
  ordered.forEach((change, i) => {
    const toAt = ordered[i + 1]?.at ?? untilAt
    let low = 0
    const answering = change.routes.filter((route) => route.weight > 0).sort((a, b) => a.version - b.version)
    for (const route of answering) {
      const band = bands.get(route.version) ?? { version: route.version, blocks: [] }
      band.blocks.push({ fromAt: change.at, toAt, low, high: low + route.weight })
      bands.set(route.version, band)
      low += route.weight
    }
  })
  return [...bands.values()].sort((a, b) => a.version - b.version)
}
