import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
// @ts-expect-error a script of this repository, which has no types
import { errorsPage } from '../../scripts/errors-doc.mjs'
import { ERRORS } from '../../src/core/errors.ts'

const page = readFileSync(fileURLToPath(new URL('../../docs/errors.md', import.meta.url)), 'utf8')
const headings = [...page.matchAll(/^### (\S+)$/gm)].map((found) => found[1]!)
const codes = Object.keys(ERRORS)

test('each code has a heading in docs/errors.md, and each heading a code', () => {
  expect(codes.filter((code) => !headings.includes(code))).toEqual([])
  expect(headings.filter((heading) => !codes.includes(heading))).toEqual([])
  expect(headings).toHaveLength(new Set(headings).size)
})

test('docs/errors.md is what `node scripts/errors-doc.mjs` writes', () => {
  expect(page === errorsPage(), 'run: node scripts/errors-doc.mjs').toBe(true)
})

test('the page says the status and whether trying again helps, as the catalogue does', () => {
  for (const [code, { status, retryable }] of Object.entries(ERRORS)) {
    const section = page.split(`\n### ${code}\n`)[1]!.split('\n##')[0]!
    expect(section, code).toContain(`HTTP ${status}. ${retryable ? 'The same' : 'Trying again'}`)
  }
})

test('codes are spelt MR_ and words in capitals, and have a status of HTTP', () => {
  expect(codes.filter((code) => !/^MR(_[A-Z0-9]+)+$/.test(code))).toEqual([])
  expect(Object.entries(ERRORS).filter(([, { status }]) => status < 400 || status > 599)).toEqual([])
})
