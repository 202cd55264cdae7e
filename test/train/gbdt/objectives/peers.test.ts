/** Objectives against LightGBM and XGBoost: their recorded losses on held-out folds of real data, and LightGBM's own gradients. */
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { BoostObjective, GivenBoostObjective } from '../../../../src/define/boost-objectives.ts'
import { boostObjective } from '../../../../src/define/boost-objectives.ts'
import { compileScorer } from '../../../../src/model/score.ts'
import { logLoss, mae } from '../../../../src/stats/metrics.ts'
import { classLogLoss } from '../../../../src/stats/metrics-classes.ts'
import {
  gammaDeviance,
  pinballLoss,
  poissonDeviance,
  tweedieDeviance,
} from '../../../../src/stats/metrics-numbers.ts'
import { openObjective } from '../../../../src/train/gbdt/objectives/registry.ts'
import { trainGbdt } from '../../../../src/train/gbdt/train.ts'
import reference from '../../../reference/train/objectives.json' with { type: 'json' }

const kindOf = (objective: object) => JSON.stringify(objective)

describe('a Newton step of each row is that of LightGBM', () => {
  for (const given of reference.gradients) {
    test(kindOf(given.objective), () => {
      const objective = boostObjective(given.objective as GivenBoostObjective)
      const target = Float64Array.from(given.target)
      const n = target.length
      const queries = given.groups ? Int32Array.from([...given.groups, n]) : null
      const opened = openObjective({ target, weights: null, queries, nClasses: 0 }, objective)
      const width = opened.nOutputs
      const scores = new Float64Array(n * width)
      given.scores.forEach((s, at) => {
        scores[(at % width) * n + Math.floor(at / width)] = s
      })
      const [grad, hess] = [new Float64Array(n * width), new Float64Array(n * width)]
      opened.gradients(scores, opened.training ?? { target, weights: null, queries }, grad, hess, 0)
      const steps = given.steps.map((_, at) => {
        const own = (at % width) * n + Math.floor(at / width)
        return -grad[own] / hess[own]
      })
      // LightGBM keeps gradients as floats, and its ranking looks sigmoids up in a table
      const tolerance = objective.name === 'lambdarank' ? 2e-3 : 1e-5
      steps.forEach((step, at) => {
        expect(Math.abs(step - given.steps[at]), `row ${at}: ${step} and ${given.steps[at]}`).toBeLessThan(
          tolerance * (1 + Math.abs(step)),
        )
      })
    })
  }
})

// ---------------------------------------------------------------- held-out losses

const folder = new URL('../../../../node_modules/vega-datasets/data/', import.meta.url)
const hasData = existsSync(new URL('seattle-weather.csv', folder))
if (!hasData) console.log('SKIP losses beside LightGBM and XGBoost: vega-datasets is not installed')

interface Rows {
  columns: Float64Array[]
  target: Float64Array
}

function table(name: string): Record<string, string>[] {
  const [head, ...lines] = readFileSync(new URL(name, folder), 'utf8').trim().split(/\r?\n/)
  const names = head.split(',')
  return lines.map((line) => Object.fromEntries(line.split(',').map((cell, j) => [names[j], cell])))
}

function weather() {
  const rows = table('seattle-weather.csv')
  const column = (name: string) => Float64Array.from(rows, (row) => Number(row[name]))
  const skies = [...new Set(rows.map((row) => row.weather))].sort()
  return {
    rain: column('precipitation'),
    high: column('temp_max'),
    low: column('temp_min'),
    wind: column('wind'),
    month: Float64Array.from(rows, (row) => Number(row.date.slice(5, 7))),
    sky: Float64Array.from(rows, (row) => skies.indexOf(row.weather)),
  }
}

function github(): Rows {
  const rows = table('github.csv')
  const at = rows.map((row) => new Date(`${row.time.replaceAll('/', '-').replace(' ', 'T')}Z`))
  const columns = [
    at.map((t) => t.getUTCHours()),
    at.map((t) => (t.getUTCDay() + 6) % 7),
    at.map((t) => t.getUTCMonth() + 1),
  ]
  return {
    columns: columns.map((c) => Float64Array.from(c)),
    target: Float64Array.from(rows, (row) => Number(row.count)),
  }
}

const pick = (values: Float64Array, keep: (i: number) => boolean) => values.filter((_, i) => keep(i))
const part = ({ columns, target }: Rows, keep: (i: number) => boolean): Rows => ({
  columns: columns.map((column) => pick(column, keep)),
  target: pick(target, keep),
})

/** Mean loss over five folds by row number, with the parameters of the generator. */
function heldOut(
  rows: Rows,
  objective: GivenBoostObjective,
  loss: (p: Float64Array, y: Float64Array) => number,
): number {
  let sum = 0
  for (let fold = 0; fold < 5; fold++) {
    const train = part(rows, (i) => i % 5 !== fold)
    const held = part(rows, (i) => i % 5 === fold)
    const data = { ...train, nRows: train.target.length, categorical: train.columns.map(() => false) }
    const { model } = trainGbdt(data, {
      objective,
      trees: 60,
      leaves: 15,
      learningRate: 0.1,
      minRowsInLeaf: 20,
    })
    const out = new Float64Array(held.target.length * model.nOutputs)
    compileScorer(model).scoreBatch(held.columns, held.target.length, out)
    sum += loss(out, held.target)
  }
  return sum / 5
}

type Loss = (p: Float64Array, y: Float64Array) => number
const meanOf = (p: Float64Array, y: Float64Array, row: (x: number, y: number) => number) =>
  p.reduce((sum, value, i) => sum + row(Math.abs(value - y[i]), y[i]), 0) / p.length

describe.runIf(hasData)('held-out loss is as low as LightGBM’s, or as XGBoost’s, but for their noise', () => {
  const w = hasData ? weather() : ({} as ReturnType<typeof weather>)
  const wet = (i: number) => w.rain[i] > 0
  const warm = () => ({ columns: [w.low, w.wind, w.month, w.rain], target: w.high })
  const rain = () => ({ columns: [w.low, w.high, w.wind, w.month], target: w.rain })
  const sky = () => ({ ...warm(), target: w.sky })
  const shares: Loss = (p, y) => {
    const width = p.length / y.length
    return classLogLoss(
      p.map((value, at) => {
        const from = at - (at % width)
        return value / p.subarray(from, from + width).reduce((sum, q) => sum + q, 0)
      }),
      y,
    )
  }
  const RUNS: Record<keyof typeof reference.heldOut, [() => Rows, GivenBoostObjective, Loss]> = {
    l2: [warm, 'l2', (p, y) => meanOf(p, y, (x) => x * x)],
    l1: [warm, 'l1', mae],
    'quantile-0.9': [warm, { name: 'quantile', alpha: 0.9 }, (p, y) => pinballLoss(p, y, 0.9)],
    'quantile-0.1': [warm, { name: 'quantile', alpha: 0.1 }, (p, y) => pinballLoss(p, y, 0.1)],
    huber: [
      warm,
      { name: 'huber', delta: 2 },
      (p, y) => meanOf(p, y, (x) => (x <= 2 ? (x * x) / 2 : 2 * (x - 1))),
    ],
    fair: [warm, { name: 'fair', c: 2 }, (p, y) => meanOf(p, y, (x) => 4 * (x / 2 - Math.log1p(x / 2)))],
    mape: [warm, 'mape', (p, y) => meanOf(p, y, (x, actual) => x / Math.max(1, Math.abs(actual)))],
    poisson: [github, 'poisson', poissonDeviance],
    gamma: [() => part(rain(), wet), 'gamma', gammaDeviance],
    tweedie: [rain, 'tweedie', (p, y) => tweedieDeviance(p, y, 1.5)],
    logloss: [() => ({ ...rain(), target: w.rain.map((mm) => Number(mm > 0)) }), 'logloss', logLoss],
    softmax: [sky, 'softmax', classLogLoss],
    oneVsAll: [sky, 'oneVsAll', shares],
  }
  for (const [name, [rows, objective, loss]] of Object.entries(RUNS)) {
    test(name, () => {
      const peers = reference.heldOut[name as keyof typeof RUNS] as {
        lightgbm: number
        xgboost?: number
        spread: number
      }
      const ours = heldOut(rows(), objective, loss)
      // half a percent is what another rounding of gradients or another start is worth here
      const noise = Math.max(3 * peers.spread, 0.005 * peers.lightgbm)
      expect(ours).toBeLessThan(Math.max(peers.lightgbm, peers.xgboost ?? 0) + noise)
    })
  }
})

test('every objective has a peer, or a reason why not', () => {
  const compared = new Set([
    ...reference.gradients.map(({ objective }) => objective.name),
    ...Object.keys(reference.heldOut).map((name) => name.split('-')[0]),
  ])
  const names: BoostObjective['name'][] = [
    'logloss',
    'softmax',
    'oneVsAll',
    'l2',
    'l1',
    'quantile',
    'huber',
    'fair',
    'mape',
    'poisson',
    'gamma',
    'tweedie',
    'lambdarank',
  ]
  expect(names.filter((name) => !compared.has(name))).toEqual([])
})
