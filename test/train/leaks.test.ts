import { existsSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { ColumnType } from '../../src/core/records.ts'
import type { FeatureDef, ModelDef } from '../../src/define/types.ts'
import type { PreparedPlan } from '../../src/model/matrix.ts'
import { prepareTask } from '../../src/train/prepare.ts'
import { prepareSpec } from '../../src/train/specs.ts'
import { planSplit } from '../../src/train/split.ts'
import { col, datasetDef, modelDef, openPlace, type Place, RANDOM } from '../fixtures/training-place.ts'

const SCHEMA = {
  y: 'bool',
  answer: 'string',
  kind: 'string',
  x: 'float',
  price: 'float',
  pounds: 'float',
  near: 'float',
} as const satisfies Record<string, ColumnType>

/** `answer` is `y` in words, `pounds` the price in another currency, `near` the price and a little noise; `kind` decides 90 % of the rows. */
const ROWS = `select y, case when y then 'yes' else 'no' end as answer,
    case when (h % 10 < 9) = y then 'a' else 'b' end as kind, x, price, price * 0.8 + 3 as pounds, price + x as near
  from (select hash(i) % 3 = 0 as y, hash(i + 7) as h, (hash(i + 1) % 1000) / 10.0 as x, (hash(i + 2) % 100000) / 7.0 as price from range(800) r(i))`

async function prepare(place: Place, over: Partial<ModelDef>, rows = ROWS): Promise<PreparedPlan> {
  const version = await place.version([rows], SCHEMA)
  const def = modelDef(over)
  const spec = prepareSpec(def, datasetDef(), version, planSplit(RANDOM, undefined, undefined))
  const { plan } = await place.run(prepareTask, spec)
  return await place.store.getRecord<PreparedPlan>(plan, 'PreparedPlan')
}

const feature = (name: string, expr: FeatureDef['expr'] = col(name)): FeatureDef => ({ name, expr })
const category = (name: string): FeatureDef =>
  feature(name, { op: 'fit', fn: 'category', arg: col(name), params: {} })

describe('a feature that is the target under another name', () => {
  test('is refused when it was asked for, and says how to allow it', async () => {
    const place = await openPlace()
    const asked = { features: [feature('x'), category('answer')] }
    await expect(prepare(place, asked)).rejects.toMatchObject({
      code: 'MR_TRAIN_LEAK',
      message: expect.stringContaining('"answer" alone decides every row'),
      fix: expect.stringContaining("leaksAllowed: ['answer']"),
    })
    await expect(prepare(place, { ...asked, leaksAllowed: ['answer'] })).resolves.toBeTruthy()
    await expect(prepare(place, { ...asked, leaksAllowed: ['x'] })).rejects.toMatchObject({
      code: 'MR_TRAIN_LEAK',
    })
  })

  test('is refused behind an expression too, and of a target of classes', async () => {
    const place = await openPlace()
    const upper = feature('loud', { op: 'call', fn: 'upper', args: [col('answer')] })
    const asked = { features: [feature('x'), { ...upper, type: 'category' as const }] }
    await expect(prepare(place, asked)).rejects.toMatchObject({ code: 'MR_TRAIN_LEAK' })
    const classes = { target: col('answer'), features: [feature('x'), feature('y')] }
    await expect(prepare(place, classes)).rejects.toMatchObject({ code: 'MR_TRAIN_LEAK' })
  })

  test('is refused when it is the number in other units, and not when it is only near', async () => {
    const place = await openPlace()
    const numbers = { target: col('price') }
    await expect(prepare(place, { ...numbers, features: [feature('pounds')] })).rejects.toMatchObject({
      code: 'MR_TRAIN_LEAK',
    })
    await expect(prepare(place, { ...numbers, features: [feature('near')] })).resolves.toBeTruthy()
  })

  test('is left out where features are inferred, unless it is allowed', async () => {
    const place = await openPlace()
    const left = (plan: PreparedPlan) =>
      plan.notes.filter((note) => note.includes('gives the target away')).map((note) => note.split('"')[1])
    expect(left(await prepare(place, {}))).toEqual(['answer'])
    expect(left(await prepare(place, { leaksAllowed: ['answer'] }))).toEqual([])
    expect(left(await prepare(place, { target: col('price') }))).toEqual(['pounds'])
    const only = `select y, answer, null::varchar as kind, null::double as x, null::double as price, null::double as pounds, null::double as near from (${ROWS})`
    await expect(prepare(place, {}, only)).rejects.toMatchObject({ code: 'MR_TRAIN_LEAK' })
  })

  test('is none when it decides nine rows in ten, when hardly any row differs, or when rows are few', async () => {
    const place = await openPlace()
    const asked = { features: [feature('x'), category('kind')] }
    await expect(prepare(place, asked)).resolves.toBeTruthy()
    const answers = { features: [category('answer')] }
    await expect(prepare(place, answers, `select * from (${ROWS}) limit 60`)).resolves.toBeTruthy()
    const rare = `select * replace (x > 99 as y, case when x > 99 then 'yes' else 'no' end as answer) from (${ROWS})`
    await expect(prepare(place, answers, rare)).resolves.toBeTruthy()
  })
})

const titanic = new URL('../../../shared/data/titanic/titanic.csv', import.meta.url).pathname
const absent = !existsSync(titanic)
if (absent) console.warn(`SKIPPED: "alive" of titanic: ${titanic} is absent`)

test.skipIf(absent)(
  'titanic: "alive" is refused as a feature of survival, and left out where features are inferred',
  async () => {
    const place = await openPlace()
    const rows = `select survived, pclass, sex, age, fare, alive from read_csv('${titanic}')`
    const version = await place.version([rows], {
      survived: 'int',
      pclass: 'int',
      sex: 'string',
      age: 'float',
      fare: 'float',
      alive: 'bool',
    })
    const run = (over: Partial<ModelDef>) => {
      const def = modelDef({ target: col('survived'), ...over })
      return place.run(
        prepareTask,
        prepareSpec(def, datasetDef(), version, planSplit(RANDOM, undefined, undefined)),
      )
    }
    await expect(run({ features: [feature('fare'), feature('alive')] })).rejects.toMatchObject({
      code: 'MR_TRAIN_LEAK',
    })
    const { plan } = await run({})
    const { notes } = await place.store.getRecord<PreparedPlan>(plan, 'PreparedPlan')
    expect(notes.join()).toContain('column "alive" is left out: it gives the target away')
  },
)
