/** Small networks: CPU seconds an epoch of 100,000 rows, 30 features, two layers of 64, beside scikit-learn's MLPClassifier on one thread. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seededRng } from '../../dist/core/rng.js'
import { trainMlp } from '../../dist/train/mlp/train.js'
import { spentOn } from '../measure/cpu.ts'
import type { Section } from '../measure/sections.ts'
import { peer } from '../peers/run.ts'
import { report } from '../report.ts'

const BENCH = 'train'
const ROWS = 100_000
const FEATURES = 30
const EPOCHS = 5
const ROUNDS = 3
const SHAPE = { hidden: [64, 64], batchRows: 256, epochs: EPOCHS }

function world(): { columns: Float64Array[]; target: Float64Array } {
  const rng = seededRng(1)
  const columns = Array.from({ length: FEATURES }, () => Float64Array.from({ length: ROWS }, rng.normal))
  const target = columns[0].map((x, i) => {
    const [b, c, d] = [1, 2, 3].map((j) => columns[j][i])
    const z = Math.sin(2 * x) + b * c + 0.5 * d * d - 0.5
    return rng.next() < 1 / (1 + Math.exp(-z)) ? 1 : 0
  })
  return { columns, target }
}

const section: Section = async ({ peers }) => {
  const { columns, target } = world()
  const data = { nRows: ROWS, columns, categorical: columns.map(() => false), target }
  const folder = mkdtempSync(join(tmpdir(), 'bench-mlp-'))
  try {
    const file = join(folder, 'rows.f64')
    if (peers) writeFileSync(file, Buffer.concat([...columns, target].map((c) => Buffer.from(c.buffer))))
    const ours: { cpu: number; loss: number }[] = []
    const theirs: { cpu: number; loss: number }[] = []
    for (let seed = 1; seed <= ROUNDS; seed++) {
      const { cpu, result } = await spentOn(() =>
        trainMlp(data, { ...SHAPE, weightDecay: 0, patience: 0, seed }),
      )
      ours.push({ cpu: cpu / EPOCHS, loss: result.trainLoss[EPOCHS - 1] })
      if (peers)
        theirs.push(
          ...(await peer<{ cpu: number; loss: number }>('mlp', {
            file,
            rows: ROWS,
            features: FEATURES,
            ...SHAPE,
            seed,
          })),
        )
    }
    const least = (all: { cpu: number }[]) => Math.min(...all.map(({ cpu }) => cpu))
    const mean = (all: { loss: number }[]) => all.reduce((sum, { loss }) => sum + loss, 0) / all.length
    const peerValue = peers ? Number(least(theirs).toPrecision(3)) : undefined
    report({
      bench: BENCH,
      metric: 'MLP 30-64-64-1, an epoch of 100,000 rows',
      value: least(ours),
      unit: 's CPU',
      ...(peerValue !== undefined && {
        peer: 'scikit-learn',
        peerValue,
        ratio: Number((peerValue / least(ours)).toFixed(2)),
        goal: peerValue,
        met: least(ours) <= peerValue,
        note: `loss after ${EPOCHS} epochs, mean of ${ROUNDS} seeds: ${mean(ours).toFixed(4)}, theirs ${mean(theirs).toFixed(4)}`,
      }),
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
}
export default section
