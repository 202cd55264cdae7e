/** Models of others explained where our trees score them, against the contributions that their own libraries give. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createModelServer, type ModelServer } from '../../../src/serve/models/model-server.ts'
import { logistic } from '../../engine/infer/onnx-bytes.ts'

const reference = (name: string) =>
  JSON.parse(
    readFileSync(fileURLToPath(new URL(`../../reference/explain/${name}.json`, import.meta.url)), 'utf8'),
  )
const classes = reference('classes')
const deep = reference('deep')
const xgboost = reference('xgboost-contributions')

const root = mkdtempSync(join(tmpdir(), 'millrace-explain-'))
let server: ModelServer
let url: string
beforeAll(async () => {
  writeFileSync(join(root, 'classes.txt'), classes.model)
  writeFileSync(join(root, 'deep.txt'), deep.model)
  writeFileSync(join(root, 'xgb.json'), JSON.stringify(xgboost.model))
  writeFileSync(join(root, 'graph.onnx'), logistic([1, 0, 0], 0))
  const { openOnnx } = await import('../../../src/engine/infer/onnx.ts')
  const pool = await openOnnx({ workers: 1 })
  server = createModelServer({
    path: root,
    clock: { now: () => 1 },
    port: 0,
    threads: 1,
    infer: async () => pool,
  })
  const { close } = server
  server.close = async () => {
    await close()
    await pool.close()
  }
  url = await server.listen()
})
afterAll(async () => {
  await server.close()
  rmSync(root, { recursive: true, force: true })
})

interface Said {
  output: number
  label?: string
  explanation: {
    base: number
    raw: number
    contributions: { feature: string; contribution: number }[]
    class?: string
  }
}

async function post(path: string, body: unknown) {
  const answer = await fetch(url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  return {
    status: answer.status,
    body: (await answer.json()) as { explanations: Said[]; code: string; fix: string },
  }
}

const tensor = (rows: (number | null)[][]) => ({
  inputs: [{ name: 'input', datatype: 'FP64', shape: [rows.length, rows[0].length], data: rows }],
})
const contributions = ({ explanation }: Said) => explanation.contributions.map((c) => c.contribution)

test('LightGBM of one output: its own pred_contrib, over V1 and V2', async () => {
  for (const [path, body] of [
    ['/v1/models/deep:explain', { instances: deep.rows }],
    ['/v2/models/deep/explain', tensor(deep.rows)],
  ] as const) {
    const { body: said } = await post(path, body)
    said.explanations.forEach((one, i) => {
      expect(one.explanation.base).toBeCloseTo(deep.base, 9)
      expect(contributions(one)).toEqual(deep.contributions[i].map((c: number) => expect.closeTo(c, 9)))
    })
  }
})

test('LightGBM of several classes: the likeliest of each row, or the one that is asked for', async () => {
  const all = await Promise.all(
    ['0', '1', '2'].map((label) => post(`/v2/models/classes/explain?class=${label}`, tensor(classes.rows))),
  )
  const width = classes.rows[0].length
  all.forEach(({ body }, k) => {
    body.explanations.forEach((one, i) => {
      expect(one.explanation.class).toBe(String(k))
      contributions(one).forEach((c, j) => {
        expect(c).toBeCloseTo(classes.contributions[i].flat()[k * width + j], 9)
      })
    })
  })
  const likeliest = (await post('/v2/models/classes/explain', tensor(classes.rows))).body.explanations
  likeliest.forEach((one, i) => {
    expect(one.output).toBe(Math.max(...all.map(({ body }) => body.explanations[i].output)))
  })
})

test('XGBoost: its own pred_contribs, which are of single precision', async () => {
  const { body } = await post('/v1/models/xgb:explain', { instances: xgboost.rows })
  body.explanations.forEach((one, i) => {
    expect(one.output).toBeCloseTo(xgboost.output[i], 6)
    expect(one.explanation.base).toBeCloseTo(xgboost.base, 5)
    expect(contributions(one)).toEqual(xgboost.contributions[i].map((c: number) => expect.closeTo(c, 5)))
    expect(one.explanation.contributions.map(({ feature }) => feature)).toEqual(['a', 'b', 'c', 'd'])
  })
})

test('a graph is refused with what to do, a class that is not there with those that are', async () => {
  const graph = await post('/v1/models/graph:explain', { instances: [[1, 2, 3]] })
  expect(graph).toMatchObject({ status: 422, body: { code: 'MR_SERVE_EXPLAIN_GRAPH' } })
  expect(graph.body.fix).toContain('LightGBM or XGBoost')
  const none = await post('/v2/models/classes/explain?class=x', tensor(classes.rows))
  expect(none).toMatchObject({ status: 400, body: { code: 'MR_SERVE_CLASS' } })
  expect(server.metrics.text()).toContain('code="MR_SERVE_EXPLAIN_GRAPH"} 1')
})
