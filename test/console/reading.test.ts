import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sseReader } from '../../console/src/api/sse.ts'
import type { Alert } from '../../console/src/api/types.ts'
import { alertsSentence, list, needsPerson } from '../../console/src/format/sentences.ts'
import {
  commandFor,
  parseField,
  readAnswer,
  readExplanation,
  requestBody,
} from '../../console/src/screens/playground-request.ts'
import { hrefs, subjectHref } from '../../console/src/shell/hrefs.ts'
import { rank } from '../../console/src/shell/rank.ts'

describe('server-sent events', () => {
  const stream =
    'event: pulse\ndata: {"a":1}\n\n: keep alive\n\nid: 7\nevent: journal\r\ndata: one\r\ndata: two\r\n\r\n'
  const events = [
    { event: 'pulse', data: '{"a":1}' },
    { event: 'journal', data: 'one\ntwo', id: '7' },
  ]

  it('are the same however the stream is cut', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: stream.length - 1 })), (cuts) => {
        const places = [0, ...cuts.sort((a, b) => a - b), stream.length]
        const reader = sseReader()
        const read = places.slice(1).flatMap((end, i) => reader.push(stream.slice(places[i], end)))
        expect(read).toEqual(events)
      }),
    )
  })
})

describe('search', () => {
  const items = ['flights', 'late', 'late/ATL', 'plate-reader', 'taxi-out'].map((label) => ({ label }))
  const found = (query: string) => rank(items, query, 5).map((item) => item.label)

  it('puts the whole name first, then beginnings, then what holds it', () => {
    expect(found('late')).toEqual(['late', 'late/ATL', 'plate-reader'])
    expect(found('atl')).toEqual(['late/ATL'])
  })

  it('finds letters in their order and nothing when there is nothing', () => {
    expect(found('txo')).toEqual(['taxi-out'])
    expect(found('zebra')).toEqual([])
  })
})

describe('addresses', () => {
  it('keep the slash of a member inside one segment', () => {
    expect(hrefs.model('late/ATL')).toBe('/models/late%2FATL')
    expect(hrefs.model('late', 'drift', { show: 'moved' })).toBe('/models/late/drift?show=moved')
    expect(subjectHref('models/late/ATL')).toBe('/models/late%2FATL')
    expect(subjectHref('datasets/flights@main')).toBe('/data/flights')
    expect(subjectHref('project')).toBeNull()
  })
})

describe('the playground’s request', () => {
  const examples = [
    { origin: 'ATL', distance: 590 },
    { origin: 'ORD', distance: 733 },
  ]
  const curl = `curl -s http://127.0.0.1:1/p -H 'content-type: application/json' -d '{"rows":[{"distance":590,"origin":"ATL"}]}'`
  const row = { origin: "O'Hare", distance: 1 }

  it('has the shape of the command the server shows', () => {
    expect(requestBody(curl, examples, row)).toEqual({ rows: [row] })
    expect(requestBody('curl http://x', examples, row)).toEqual(row)
  })

  it('finds the example by its keys when the values differ', () => {
    expect(requestBody(`curl -d '{"inputs":{"origin":"LAX","distance":5}}'`, examples, row)).toEqual({
      inputs: row,
    })
  })

  it('writes the command so that a shell gives back the same body', () => {
    const command = commandFor(curl, requestBody(curl, examples, row))
    expect(command).toContain(`-d '{"rows":[{"origin":"O'\\''Hare","distance":1}]}'`)
    expect(requestBody(command, [row], examples[1]!)).toEqual({ rows: [examples[1]] })
  })

  it('reads answers of the plain route and of protocol V2', () => {
    expect(readAnswer({ id: 'a', output: 0.3, version: 12, route: 'live' })).toEqual({
      id: 'a',
      output: 0.3,
      label: null,
      probabilities: null,
      version: 12,
      member: null,
      route: 'live',
    })
    expect(
      readAnswer({ predictions: [{ id: 'b', output: 1.5, member: 'late/ATL' }], version: 2 }),
    ).toMatchObject({ id: 'b', output: 1.5, version: 2, member: 'late/ATL' })
    expect(
      readAnswer({ id: 'c', model_version: '7', outputs: [{ name: 'late', data: [0.25] }] }),
    ).toMatchObject({ id: 'c', output: 0.25, version: 7 })
    expect(readAnswer(null).output).toBeNull()
    const classes = { id: 'd', output: 0.6, label: 'sun', probabilities: { rain: 0.4, sun: 0.6 } }
    expect(readAnswer(classes)).toMatchObject({
      label: 'sun',
      probabilities: [
        ['sun', 0.6],
        ['rain', 0.4],
      ],
    })
  })

  it('finds an explanation wherever it is nested and adds up a raw score that was left out', () => {
    const inner = { base: -1, contributions: [{ feature: 'a', value: 1, contribution: 0.25 }] }
    expect(readExplanation({ explanations: [inner] })?.raw).toBe(-0.75)
    expect(readExplanation({ output: 1 })).toBeNull()
  })

  it('says why a field cannot be sent', () => {
    const int = { name: 'distance', type: 'int' as const, nullable: false }
    expect(parseField(int, '12')).toEqual({ value: 12, problem: null })
    expect(parseField(int, '1.5').problem).toContain('whole number')
    expect(parseField(int, 'far').problem).toContain('got “far”')
    expect(parseField(int, ' ').problem).toBe('distance is needed')
    expect(parseField({ ...int, nullable: true }, '')).toEqual({ value: null, problem: null })
    expect(parseField({ name: 'at', type: 'time', nullable: false }, 'soon').problem).toContain(
      'must be a time',
    )
  })
})

describe('sentences', () => {
  const alert = (dedupeKey: string, part: Partial<Alert>): Alert => ({
    kind: 'Alert',
    id: dedupeKey,
    finding: {
      kind: 'Finding',
      check: 'drift',
      subject: 'models/late',
      value: 1,
      limit: '<= 0',
      n: 1,
      verdict: 'fail',
      message: 'moved',
      at: 0,
    },
    owner: 'ml@example.com',
    runbook: 'drift.md',
    dedupeKey,
    state: 'raised',
    raisedAt: 0,
    affected: [],
    ...part,
  })

  it('count stories, not alerts, and ask for a person only where the loop has not acted', () => {
    const alerts = [
      alert('a', {}),
      alert('a', {}),
      alert('b', { action: 'retrained' }),
      alert('c', { state: 'acknowledged' }),
      alert('d', { state: 'resolved' }),
    ]
    expect(alertsSentence(alerts)).toBe('1 story needs a person; 1 the loop is handling; 1 acknowledged.')
    expect(alerts.filter(needsPerson)).toHaveLength(2)
    expect(alertsSentence([])).toBe('Nothing needs you: no alert is open.')
  })

  it('list names and say how many are left out', () => {
    expect([list(['a'], 3), list(['a', 'b'], 3), list(['a', 'b', 'c', 'd'], 2)]).toEqual([
      'a',
      'a and b',
      'a, b and 2 more',
    ])
  })
})
