import { expect, test } from 'vitest'
import { reportHtml, type VersionReport, versionReport } from '../../src/data/index.ts'
import { checks, col } from '../../src/define/index.ts'
import { openPlace } from './fixture.ts'

const NASTY = '<script>alert(1)</script>'

async function hostile(): Promise<VersionReport> {
  const place = await openPlace()
  const head = `${NASTY},"a ""b"" & <i>c</i>",n,at`
  const row = (i: number) =>
    `${i % 7 === 3 ? NASTY : 'fine'},"x' onload=""x"" \u202e",${i % 11 === 0 ? '' : i},2024-01-0${(i % 9) + 1}T10:00:00Z`
  place.file('a.csv', `${head}\n${Array.from({ length: 90 }, (_, i) => row(i)).join('\n')}\n`)
  const declared = [
    checks.holds(col(NASTY).ne(NASTY)).named(`no ${NASTY} "here"`),
    checks.between('n', 0, 80).owner('"><img src=x onerror=alert(2)>'),
    checks.fresh('at', '7d'),
  ].map((check) => check.def)
  await place.import({ source: ['a.csv'], checks: declared }, { message: `first ${NASTY}` })
  return await versionReport(place.store, place.query, 'd', { rows: 30 })
}

/** Names of elements in the order they come; what is escaped is none. */
const elements = (page: string): string[] =>
  [...page.matchAll(/<([a-z][a-z0-9]*)[\s>/]/gi)].map(([, name]) => name!.toLowerCase())

test('names, values, reasons, owners and messages that are markup stay text', async () => {
  const page = reportHtml(await hostile())
  expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
  expect(page).toContain('a &quot;b&quot; &amp; &lt;i&gt;c&lt;/i&gt;')
  expect(page).toContain('&quot;&gt;&lt;img src=x onerror=alert(2)&gt;')
  const made = new Set(elements(page))
  for (const name of ['script', 'img', 'iframe', 'object', 'link', 'form', 'a'])
    expect(made).not.toContain(name)
  const attributes = [...page.matchAll(/<[a-z][^>]*?\s(on[a-z]+)=/gi)]
  expect(attributes).toEqual([])
})

test('nothing is asked of anyone: no address stands in the page, and its policy forbids every request and script', async () => {
  const page = reportHtml(await hostile())
  expect(page).toContain(`content="default-src 'none'; style-src 'unsafe-inline'`)
  const tags = [...page.matchAll(/<[a-z][^>]*>/gi)].map(([tag]) => tag).join('\n')
  expect(tags).not.toMatch(/\s(src|href|action|poster|data)=/)
  expect(page).not.toMatch(/https?:|url\(|@import/)
})

test('says first what does not hold, then each check with its history, columns, rows put aside and versions', async () => {
  const report = await hostile()
  const page = reportHtml(report)
  const lead = /<p class="lead bad">([^<]*)/.exec(page)![1]
  expect(lead).toBe('2 of 3 checks do not hold; 20 rows were put aside.')
  expect(report.quarantine.rows).toHaveLength(20)
  expect(Object.keys(report.verdicts)).toHaveLength(3)
  expect(page.match(/<li class="column">/g)).toHaveLength(4)
  expect(page).toContain('2024-01-')
  expect(page).toContain('asked: &lt;= 7 days old')
  expect(page.match(/<h2 /g)).toHaveLength(4)
})

test('the same version gives the same bytes, and rows can be left out', async () => {
  const report = await hostile()
  expect(reportHtml(report)).toBe(reportHtml(structuredClone(report)))
  const without = { ...report, quarantine: { ...report.quarantine, rows: [] } }
  expect(reportHtml(without)).not.toContain('with their values')
})

test('a version without checks, without rows aside and of one row is a page too', async () => {
  const place = await openPlace()
  place.file('a.csv', 'x,y\n1,\n')
  await place.import({ source: ['a.csv'] })
  const page = reportHtml(await versionReport(place.store, place.query, 'd'))
  expect(page).toContain('No checks are declared; no row was put aside.')
  expect(page).not.toMatch(/NaN|undefined|Infinity/)
})

test('verdicts of one check are told over the versions, oldest first', async () => {
  const place = await openPlace()
  const declared = [checks.between('x', 0, 5).warn().def]
  for (const [i, last] of [3, 9].entries()) {
    place.file(
      `${i}.csv`,
      `x\n${Array.from({ length: 20 }, (_, j) => (j === 0 ? last : (j + i) % 4)).join('\n')}\n`,
    )
    await place.import({ source: [`${i}.csv`], checks: declared })
  }
  const report = await versionReport(place.store, place.query, 'd')
  expect(report.verdicts['between(x, 0, 5)']!.map(({ verdict }) => verdict)).toEqual(['pass', 'fail'])
  expect(report.history).toHaveLength(2)
  expect(reportHtml(report)).toContain('over 2 versions: does not pass in 1')
})
