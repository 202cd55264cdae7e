import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { seededRng } from '../../../src/core/rng.ts'
import type { Kernel } from '../../../src/model/form.ts'
import { readModelFile } from '../../../src/model/import/open.ts'
import { compileScorer, packScorer, unpackScorer } from '../../../src/model/score.ts'
import { ARENA_LIMITS, arenaUse, lend, lendSpare } from '../../../src/model/tree/arena.ts'
import { MASK_ROWS_MIN, treeKernel } from '../../../src/model/tree/kernel.ts'
import { MASK_LIMITS, maskKernel, planMasks } from '../../../src/model/tree/masks.ts'
import { ruledKernel } from '../../../src/model/tree/source-rules.ts'
import { compileTrees } from '../../../src/model/tree-walk.ts'
import type { SourceRules, TreeEnsemble } from '../../../src/model/trees.ts'
import { anyValue, randomEnsemble } from '../fixtures.ts'
import { answersOf, modelBytes, recordedModels } from '../import/recorded.ts'

/** The same trees, spread over some outputs. */
function withOutputs(model: TreeEnsemble, nOutputs: number): TreeEnsemble {
  return {
    ...model,
    nOutputs,
    outputOf: model.roots.map((_, t) => t % nOutputs),
    baseScores: Float64Array.from({ length: nOutputs }, (_, k) => k / 3),
    link: nOutputs > 1 ? 'softmax' : 'sigmoid',
  }
}

/** Models that have rules of their source: trees in floats, forests, zeros that are missing; and those that are refused or not trees. */
const RULED = /^xgboost|^onnx|-rf|zero-missing/
const REFUSED = /linear|logistic|ridge|neighbours|zipmap|hinge/

const onWasm = (model: TreeEnsemble) => treeKernel(model, { nodesMin: 0 })
const onJs = (model: TreeEnsemble) => treeKernel(model, { kernels: 'js' })

function scores(kernel: Kernel, rows: Float64Array, n: number, nOutputs: number): Float64Array {
  const out = new Float64Array(n * nOutputs + 1).fill(7)
  kernel.rows(rows, n, out)
  expect(out[n * nOutputs]).toBe(7)
  return out
}

const shapes = fc.record({
  seed: fc.nat(10_000),
  depth: fc.integer({ min: 0, max: 9 }),
  nTrees: fc.integer({ min: 0, max: 21 }),
  nFeatures: fc.integer({ min: 1, max: 6 }),
  nCategories: fc.constantFrom(0, 0, 2),
  compare: fc.constantFrom<TreeEnsemble['compare']>('le', 'lt-f32'),
})

const rules = fc.record({
  sum: fc.constantFrom<SourceRules['sum']>('f32', 'f64'),
  base: fc.constantFrom<SourceRules['base']>('first', 'last'),
  divisor: fc.constantFrom(1, 3, 100),
  zeroMissing: fc.constantFrom<number[]>([], [0]),
})

beforeEach(() => {
  if (lend(16) === null) throw new Error('these tests need WebAssembly')
})

describe('trees in WebAssembly give the bits of the plain loops', () => {
  test('by the arithmetic of every source, too', () => {
    const values = fc.array(anyValue, { minLength: 6 * 19, maxLength: 6 * 19 })
    fc.assert(
      fc.property(
        shapes,
        rules,
        fc.constantFrom(1, 3),
        fc.nat(19),
        values,
        (shape, by, nOutputs, n, given) => {
          const model = withOutputs(randomEnsemble(shape), nOutputs)
          const rows = Float64Array.from(given)
          const wasm = ruledKernel(model, by, { nodesMin: 0 })
          const plain = ruledKernel(model, by, { kernels: 'js' })
          expect([wasm.close, plain.close].map((close) => close !== undefined)).toEqual([true, false])
          expect(scores(wasm, rows, n, nOutputs)).toEqual(scores(plain, rows, n, nOutputs))
          if (nOutputs === 1) expect(wasm.row!(rows)).toBe(plain.row!(rows))
          expect(rows).toEqual(Float64Array.from(given))
          wasm.close!()
        },
      ),
      { numRuns: 300 },
    )
  })

  test.each(recordedModels('').filter((name) => RULED.test(name) && !REFUSED.test(name)))(
    'as those of %s',
    (name) => {
      const { model } = readModelFile(modelBytes(name))
      if (model.kind !== 'TreeEnsemble' || !model.rules) return
      const { rows, nFeatures } = answersOf(name)
      const n = rows.length / nFeatures
      const wasm = ruledKernel(model, model.rules, { nodesMin: 0 })
      const plain = ruledKernel(model, model.rules, { kernels: 'js' })
      expect(wasm.close).toBeDefined()
      expect(scores(wasm, rows, n, model.nOutputs)).toEqual(scores(plain, rows, n, model.nOutputs))
    },
  )

  test('for rows and batches, numbers and categories, both rules, odd values and any number of outputs', () => {
    const values = fc.array(anyValue, { minLength: 6 * 11, maxLength: 6 * 11 })
    fc.assert(
      fc.property(shapes, fc.constantFrom(1, 3), fc.nat(11), values, (shape, nOutputs, n, given) => {
        const model = withOutputs(randomEnsemble(shape), nOutputs)
        const rows = Float64Array.from(given)
        const wasm = onWasm(model)
        expect(wasm.close).toBeDefined()
        expect(scores(wasm, rows, n, nOutputs)).toEqual(scores(onJs(model), rows, n, nOutputs))
        if (nOutputs === 1) expect(wasm.row!(rows)).toBe(onJs(model).row!(rows))
        wasm.close!()
      }),
      { numRuns: 300 },
    )
  })

  test('over more trees than a chunk holds and more rows than a block', () => {
    const model = randomEnsemble({ nTrees: 700, depth: 6, nFeatures: 5 })
    const rng = seededRng(3)
    const rows = Float64Array.from({ length: 5 * 203 }, () => rng.normal() * 3)
    expect(scores(onWasm(model), rows, 203, 1)).toEqual(scores(onJs(model), rows, 203, 1))
  })

  test('over wide rows, of which few fit in the scratch space', () => {
    const model = randomEnsemble({ nTrees: 20, depth: 6, nFeatures: 3500 })
    const rng = seededRng(4)
    const rows = Float64Array.from({ length: 3500 * 20 }, () => rng.normal() * 3)
    const wasm = onWasm(model)
    expect(wasm.close).toBeDefined()
    expect(scores(wasm, rows, 20, 1)).toEqual(scores(onJs(model), rows, 20, 1))
  })

  test('for codes of 12 words beside codes of one word, which are padded to one length', () => {
    const model = randomEnsemble({ nTrees: 9, depth: 5, nFeatures: 2, nCategories: 1, seed: 8 })
    model.categorySets[0] = Uint32Array.from({ length: 12 }, (_, k) => 0x55555555 ^ k)
    const rows = Float64Array.from({ length: 2 * 401 }, (_, i) => (i >> 1) - 1)
    expect(scores(onWasm(model), rows, 401, 1)).toEqual(scores(onJs(model), rows, 401, 1))
  })
})

/** Leaves of the tree that has the most. */
function leavesMax({ roots, left }: TreeEnsemble): number {
  const ends = [...roots.slice(1), left.length]
  return Math.max(
    0,
    ...[...roots].map((root, t) => left.subarray(root, ends[t]).filter((kid) => kid < 0).length),
  )
}

describe('masks of leaves give the bits of the plain loops', () => {
  const planOf = (model: TreeEnsemble, evenIfSlower = true) =>
    planMasks(compileTrees(model), { evenIfSlower })
  const onMasks = (model: TreeEnsemble, sum: SourceRules['sum'] = 'f64') =>
    maskKernel(planOf(model)!, { base: model.baseScores[0], sum })!

  test('for trees that fit, both rules, ties, odd values and sums in floats', () => {
    const values = fc.array(anyValue, { minLength: 6 * 11, maxLength: 6 * 11 })
    const plain = shapes.map((shape) => ({ ...shape, nCategories: 0, depth: Math.min(shape.depth, 8) }))
    let nMasked = 0
    fc.assert(
      fc.property(plain, fc.boolean(), fc.nat(11), values, (shape, inFloats, n, given) => {
        const model = randomEnsemble(shape)
        if (shape.compare === 'lt-f32' && shape.seed % 3 === 0)
          model.threshold = model.threshold.map((t, node) => (node % 17 === 0 ? Number.MAX_VALUE : t + 0.1))
        const fits = leavesMax(model) <= MASK_LIMITS.leavesMax && model.roots.length < model.left.length
        expect(planOf(model) !== null).toBe(fits)
        if (!fits) return
        nMasked++
        const sum = inFloats ? 'f32' : 'f64'
        const rules: SourceRules = { sum, base: 'first', divisor: 1, zeroMissing: [] }
        const rows = Float64Array.from(given)
        const masks = onMasks(model, sum)
        const loops = ruledKernel(model, rules, { kernels: 'js' })
        expect(scores(masks, rows, n, 1)).toEqual(scores(loops, rows, n, 1))
        expect(masks.row!(rows)).toBe(loops.row!(rows))
        masks.close!()
      }),
      { numRuns: 400 },
    )
    expect(nMasked).toBeGreaterThan(200)
  })

  test('for thousands of nodes of one feature, which are searched by halves, and more rows than go together', () => {
    const model = randomEnsemble({ nTrees: 120, depth: 6, nFeatures: 2, seed: 9 })
    const rng = seededRng(6)
    model.threshold = model.threshold.map((t) => (t === Number.POSITIVE_INFINITY ? t : t + rng.normal()))
    const rows = Float64Array.from({ length: 2 * 501 }, () =>
      rng.next() < 0.1 ? Number.NaN : rng.normal() * 3,
    )
    rows.set(model.threshold.filter(Number.isFinite).subarray(0, 200))
    expect(scores(onMasks(model), rows, 501, 1)).toEqual(scores(onJs(model), rows, 501, 1))
  })

  test.each(['le', 'lt-f32'] as const)(
    'once a model of rule %s has scored enough rows, read back from its nodes',
    (compare) => {
      const model = randomEnsemble({ nTrees: 300, depth: 5, nFeatures: 5, compare })
      expect(planOf(model, false)).not.toBeNull()
      const rng = seededRng(7)
      const rows = Float64Array.from({ length: 5 * MASK_ROWS_MIN }, () =>
        rng.next() < 0.1 ? Number.NaN : rng.normal() * 3,
      )
      const kernel = onWasm(model)
      const want = scores(onJs(model), rows, MASK_ROWS_MIN, 1)
      const one = [...want.keys()].slice(0, -1).map((i) => kernel.row!(rows.subarray(i * 5, i * 5 + 5)))
      expect(Float64Array.from([...one, 7])).toEqual(want)
      expect(scores(kernel, rows, MASK_ROWS_MIN, 1)).toEqual(want)
      const { blocks } = arenaUse()
      kernel.close!()
      expect(arenaUse().blocks).toBe(blocks - 1)
    },
  )

  test('where they are foreseen to be faster: not over many features, few trees or deep ones', () => {
    const faster = (shape: Parameters<typeof randomEnsemble>[0]) =>
      planOf(randomEnsemble(shape), false) !== null
    expect(faster({ nTrees: 100, depth: 6, nFeatures: 8 })).toBe(true)
    expect(faster({ nTrees: 100, depth: 6, nFeatures: 80 })).toBe(false)
    expect(faster({ nTrees: 3, depth: 6, nFeatures: 8 })).toBe(false)
    expect(faster({ nTrees: 100, depth: 9, nFeatures: 8 })).toBe(false)
    expect(planOf(withOutputs(randomEnsemble(), 2))).toBeNull()
    expect(planOf(randomEnsemble({ nCategories: 1, depth: 4 }))).toBeNull()
    expect(planOf(randomEnsemble({ nTrees: 2000, depth: 6 }))).toBeNull()
  })
})

describe('models stay in the plain loops', () => {
  test('when they are small, or rows are too wide for the scratch space', () => {
    expect(treeKernel(randomEnsemble({ nTrees: 1, depth: 3 })).close).toBeUndefined()
    expect(onWasm(randomEnsemble({ nTrees: 20, depth: 6, nFeatures: 60_000 })).close).toBeUndefined()
  })

  test('when padding the sets of a category would multiply them', () => {
    const model = randomEnsemble({ nTrees: 60, depth: 6, nFeatures: 2, nCategories: 2 })
    model.categorySets[0] = new Uint32Array(2 ** 20)
    expect(onWasm(model).close).toBeUndefined()
  })
})

describe('the memory of models', () => {
  const blocksOf = () => arenaUse().blocks
  const gc = () => {
    setFlagsFromString('--expose-gc')
    runInNewContext('gc')()
  }

  test('costs 16 bytes a node and no page of its own: two thousand models share one shelf', () => {
    const model = randomEnsemble({ nTrees: 20, depth: 7 })
    const before = arenaUse()
    const kernels = Array.from({ length: 2000 }, () => onWasm(model))
    const { bytes, blocks } = arenaUse()
    expect(blocks).toBe(before.blocks + 2000)
    const own = (bytes - before.bytes) / 2000
    expect(own).toBeLessThan(model.feature.length * 16 * 1.25 + 1024)
    for (const kernel of kernels) kernel.close!()
    expect(blocksOf()).toBe(before.blocks)
  })

  test('is used again after models are closed, whatever the order', () => {
    const rng = seededRng(5)
    const model = randomEnsemble({ nTrees: 20, depth: 7 })
    const rows = Float64Array.of(1, 0.5, Number.NaN, -2)
    const want = onJs(model).row!(rows)
    let open = Array.from({ length: 400 }, () => onWasm(model))
    const { bytes } = arenaUse()
    for (let round = 0; round < 20; round++) {
      const kept = open.filter(() => rng.next() < 0.5)
      for (const kernel of open) if (!kept.includes(kernel)) kernel.close!()
      while (kept.length < 400) kept.push(onWasm(model))
      open = kept
      for (const kernel of open) expect(kernel.row!(rows)).toBe(want)
    }
    expect(arenaUse().bytes).toBe(bytes)
    for (const kernel of open) kernel.close!()
  })

  test('closing twice gives back once', () => {
    const kernel = onWasm(randomEnsemble({ nTrees: 20, depth: 7 }))
    const before = blocksOf()
    kernel.close!()
    kernel.close!()
    expect(blocksOf()).toBe(before - 1)
  })

  test('is given back when nobody holds a model any more', async () => {
    gc()
    await new Promise((done) => setTimeout(done, 20))
    const before = blocksOf()
    const model = randomEnsemble({ nTrees: 20, depth: 7 })
    ;(() => {
      for (let i = 0; i < 50; i++) onWasm(model)
    })()
    for (let tries = 0; tries < 50 && blocksOf() > before; tries++) {
      gc()
      await new Promise((done) => setTimeout(done, 20))
    }
    expect(blocksOf()).toBeLessThanOrEqual(before)
  })

  test('that only makes models faster has an end of its own, and is lent again when given back', () => {
    const half = ARENA_LIMITS.spareBytesMax / 2
    const leases = [lendSpare(half)!, lendSpare(half)!]
    expect(lendSpare(16)).toBeNull()
    leases[0].close()
    leases[0].close()
    expect(lendSpare(half + 16)).toBeNull()
    leases.push(lendSpare(half)!)
    for (const lease of leases) lease.close()
  })

  test('has an end, beyond which there is no lease', () => {
    expect(lend(ARENA_LIMITS.arenaBytesMax)).toBeNull()
    const large = lend(ARENA_LIMITS.shelfBytesMax + 16)!
    expect(arenaUse().bytes).toBeGreaterThan(ARENA_LIMITS.shelfBytesMax)
    large.close()
    expect(arenaUse().bytes).toBeLessThan(ARENA_LIMITS.shelfBytesMax)
  })
})

describe('trees that another thread packed', () => {
  /** As a message has it. */
  const handed = <T>(value: T): T => structuredClone(value)

  function expectSame(model: TreeEnsemble, rows: Float64Array, n: number): void {
    const packed = packScorer(model)
    expect(packed === null).toBe(model.feature.length < 64)
    if (packed === null) return
    const [near, far] = [compileScorer(model), unpackScorer(handed(packed))]
    expect(far?.bytes).toBe(near.bytes)
    const [here, there] = [new Float64Array(n * model.nOutputs), new Float64Array(n * model.nOutputs)]
    for (let round = 0; round < 2; round++) {
      near.scoreBatch(rows, n, here)
      far?.scoreBatch(rows, n, there)
      expect(there).toEqual(here)
    }
    if (model.nOutputs === 1) expect(far?.rawRow(rows)).toBe(near.rawRow(rows))
    near.close()
    far?.close()
  }

  test('score as those that were compiled here, wherever they lie: any shape, category and output', () => {
    const others = lend(4_096)
    fc.assert(
      fc.property(
        shapes,
        fc.integer({ min: 1, max: 4 }),
        fc.array(anyValue, { minLength: 240, maxLength: 240 }),
        (shape, nOutputs, values) => {
          const model = withOutputs(randomEnsemble(shape), nOutputs)
          expectSame(model, Float64Array.from(values.slice(0, 40 * model.nFeatures)), 40)
        },
      ),
      { numRuns: 60 },
    )
    others?.close()
  })

  const recorded = [...recordedModels('lightgbm'), ...recordedModels('xgboost')].filter(
    (name) => !/linear|lambda|sqrt|hinge/.test(name),
  )
  test.each(recorded)('score as those that were compiled here: %s', (name) => {
    const { model } = readModelFile(modelBytes(name))
    const { rows, nFeatures } = answersOf(name)
    if (model.kind === 'TreeEnsemble') expectSame(model, rows, rows.length / nFeatures)
  })
})
