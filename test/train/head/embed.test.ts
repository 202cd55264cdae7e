import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { openOnnx } from '../../../src/engine/infer/onnx.ts'
import { embedRows } from '../../../src/train/head/embed.ts'

const at = (file: string) => fileURLToPath(new URL(`../../reference/networks/heads/${file}`, import.meta.url))
const { rows } = JSON.parse(readFileSync(at('answers.json'), 'utf8')) as { rows: number[][] }
const columns = rows[0].map((_, j) => Float64Array.from(rows, (row) => row[j]))
const bytes = new Uint8Array(readFileSync(at('conv.onnx')))

const infer = await openOnnx({ workers: 1 })
afterAll(() => infer.close())

const input = {
  task: 'multiclass' as const,
  classes: ['a', 'b', 'c'],
  features: columns.map((_, j) => ({ name: `pixel${j}`, type: 'number' as const })),
  place: { id: 'x', scratch: '', checkpoints: '', path: async () => '', infer: async () => infer },
  signal: new AbortController().signal,
  progress: () => undefined,
}
const embed = (layer: number | string, given = columns) =>
  embedRows(input, { network: 'conv.onnx', layer, bytes }, { columns: given, nRows: given[0].length })

describe('what a hidden layer makes of rows', () => {
  test('is one column a number, the same by place and by name, and in rows of any order', async () => {
    const last = await embed('last')
    expect(last.columns.length).toBeGreaterThan(1)
    for (const column of last.columns) {
      expect(column).toHaveLength(rows.length)
      expect(column.every(Number.isFinite)).toBe(true)
    }
    expect(await embed(last.tensor)).toEqual(last)
    const turned = await embed(
      'last',
      columns.map((column) => column.toReversed()),
    )
    turned.columns.forEach((column, c) => {
      column.toReversed().forEach((x, i) => {
        expect(Math.abs(x - last.columns[c][i])).toBeLessThan(1e-5)
      })
    })
    expect((await embed(1)).columns.length).not.toBe(last.columns.length)
  })

  test('is refused of layers that are not there', async () => {
    await expect(embed(9)).rejects.toMatchObject({ code: 'MR_TRAIN_HEAD' })
    await expect(embed('none')).rejects.toMatchObject({ code: 'MR_TRAIN_HEAD' })
  })
})
