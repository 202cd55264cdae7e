/** Tree-structured Parzen estimators: where the good trials are dense and the others are not, the next one is made. Pure. */
import type { Rng } from '../../core/clock.ts'
import type { Dimension } from '../../define/types.ts'
import { normalCdf } from '../../stats/distributions.ts'
import { drawNormal } from '../../stats/draws.ts'
import { drawParams, type Params, paramsAt, placeOf, type Space } from './space.ts'

export interface TpeOptions {
  /** Trials drawn evenly before any is modelled. */
  startup: number
  /** Points drawn from the good trials' density, of which the most promising is taken. */
  candidates: number
}

export const TPE_DEFAULTS: TpeOptions = { startup: 10, candidates: 24 }

/** Good trials at most, however many there are. */
const GOOD_MAX = 25
const GOOD_SHARE = 0.1

/** One kernel in one dimension: a normal cut to `[0, 1]` with the logarithm of what its density is divided by, or shares of choices. */
type Kernel = { centre: number; width: number; logScale: number } | { shares: Float64Array }

/** A mixture with as many kernels as observations and one even prior; `kernels[k][d]`. */
interface Mixture {
  names: string[]
  weights: Float64Array
  kernels: Kernel[][]
}

/**
 * The next point to try, from what was tried: `ranked` holds the tried points, best first.
 *
 * Parameters are modelled together, so that what goes well together is seen: the best tenth (25 at most) gives one density, the rest another; of `candidates` draws from the first, the one with the greatest ratio of the two is taken, which
 * maximises expected improvement. Fewer than `startup` points: drawn evenly.
 * Densities: mixtures of truncated normals (of smoothed counts for choices) around each point and one even prior; widths by the distance to the neighbours.
 * Cost: O(candidates · tried · dimensions). Source: Bergstra et al. 2011, section 4; joint kernels and widths as Watanabe 2023, section 3, sets them out.
 */
export function proposeTpe(space: Space, ranked: readonly Params[], rng: Rng, options: TpeOptions): Params {
  const names = Object.keys(space)
  if (ranked.length < options.startup || names.length === 0) return drawParams(space, rng)
  const nGood = Math.min(Math.ceil(GOOD_SHARE * ranked.length), GOOD_MAX)
  const good = mixtureOf(space, names, ranked.slice(0, nGood))
  const rest = mixtureOf(space, names, ranked.slice(nGood))
  const places = mostPromising(good, rest, rng, options.candidates)
  const placeIn = Object.fromEntries(names.map((name, d) => [name, places[d]]))
  return paramsAt(space, (_, name) => placeIn[name])
}

function mostPromising(good: Mixture, rest: Mixture, rng: Rng, candidates: number): Float64Array {
  let best = drawFrom(good, rng)
  let bestGain = logDensity(good, best) - logDensity(rest, best)
  for (let i = 1; i < candidates; i++) {
    const point = drawFrom(good, rng)
    const gain = logDensity(good, point) - logDensity(rest, point)
    if (gain > bestGain) [best, bestGain] = [point, gain]
  }
  return best
}

function mixtureOf(space: Space, names: string[], points: readonly Params[]): Mixture {
  const n = points.length
  const columns = names.map((name) =>
    kernelsOf(
      space[name],
      points.map((p) => placeOf(space[name], p[name])),
    ),
  )
  return {
    names,
    weights: new Float64Array(n + 1).fill(1 / (n + 1)),
    kernels: Array.from({ length: n + 1 }, (_, k) => columns.map((column) => column[k])),
  }
}

/** One kernel a place, and the prior last. */
function kernelsOf(dimension: Dimension, places: number[]): Kernel[] {
  if (dimension.kind === 'choice') return choiceKernels(dimension.values.length, places)
  const widths = neighbourWidths(places)
  const least = 1 / Math.min(100, places.length + 2)
  return [
    ...places.map((centre, i) => normalKernel(centre, Math.min(1, Math.max(least, widths[i])))),
    normalKernel(0.5, 1),
  ]
}

function normalKernel(centre: number, width: number): Kernel {
  const inside = normalCdf((1 - centre) / width) - normalCdf(-centre / width)
  return { centre, width, logScale: Math.log(width * Math.sqrt(2 * Math.PI) * inside) }
}

/** A place counts for its own choice, and the prior for all alike. */
function choiceKernels(nValues: number, places: number[]): Kernel[] {
  const smooth = 1 / (places.length + 1)
  const even = new Float64Array(nValues).fill(1 / nValues)
  const kernels = places.map((place) => {
    const shares = new Float64Array(nValues).fill(smooth / (1 + nValues * smooth))
    shares[place] += 1 / (1 + nValues * smooth)
    return { shares }
  })
  return [...kernels, { shares: even }]
}

/** The greater distance to the neighbours on either side; the ends of the range are neighbours of a single place alone. */
function neighbourWidths(places: number[]): number[] {
  if (places.length === 1) return [Math.max(places[0], 1 - places[0])]
  const sorted = [...places].sort((a, b) => a - b)
  return places.map((place) => {
    const at = sorted.indexOf(place)
    const left = at > 0 ? place - sorted[at - 1] : 0
    const right = at < sorted.length - 1 ? sorted[at + 1] - place : 0
    return Math.max(left, right)
  })
}

function drawFrom({ weights, kernels }: Mixture, rng: Rng): Float64Array {
  const chosen = kernels[drawIndex(weights, rng)]
  return Float64Array.from(chosen, (kernel) => drawKernel(kernel, rng))
}

function drawKernel(kernel: Kernel, rng: Rng): number {
  if ('shares' in kernel) return drawIndex(kernel.shares, rng)
  for (;;) {
    const u = kernel.centre + kernel.width * drawNormal(rng)
    if (u >= 0 && u <= 1) return u
  }
}

function drawIndex(weights: Float64Array, rng: Rng): number {
  let left = rng.next()
  for (let i = 0; i < weights.length - 1; i++) {
    left -= weights[i]
    if (left < 0) return i
  }
  return weights.length - 1
}

function logDensity({ weights, kernels }: Mixture, point: Float64Array): number {
  const logs = kernels.map((dims, k) => {
    let sum = Math.log(weights[k])
    for (let d = 0; d < dims.length; d++) sum += logKernel(dims[d], point[d])
    return sum
  })
  const top = Math.max(...logs)
  return top + Math.log(logs.reduce((sum, x) => sum + Math.exp(x - top), 0))
}

function logKernel(kernel: Kernel, u: number): number {
  if ('shares' in kernel) return Math.log(kernel.shares[u])
  const z = (u - kernel.centre) / kernel.width
  return -0.5 * z * z - kernel.logScale
}
