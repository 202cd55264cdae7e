/** The routes of merges that wait: thin over the desk. What is asked is checked here, so that every refusal has its code and says what to send. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { MAIN } from '../core/names.ts'
import { type DraftChoice, type DraftState, type DraftTake, MERGE_SIDES } from '../data/index.ts'
import { actionIn } from './actions.ts'
import { API_LIMITS } from './limits.ts'
import type { MergeDesk } from './merge-desk.ts'
import { type Given, neededText, oneOf, onlyKnown, param, refuse, text, wholeNumber } from './query.ts'

const STATES: readonly DraftState[] = ['open', 'decided', 'broken']
const TAKES = [...MERGE_SIDES, 'nobody', 'value', 'expression'] as const
const STEPS_MAX = 1_000_000
const ROWS_MAX = 2_000_000_000

export function mergeRoutes(app: FastifyInstance, desk: MergeDesk, actor?: string): void {
  app.get('/merges', (request) => {
    onlyKnown(request.query, [])
    return desk.list()
  })
  app.get('/datasets/:dataset/merges', (request) => desk.list(param(request, 'dataset')))
  app.post('/datasets/:dataset/merges', (request) => {
    const [given, ask] = actionIn(request, actor, ['branch', 'into'])
    const name = { branch: neededText(given, 'branch'), into: text(given, 'into') ?? MAIN }
    return desk.begin({ dataset: param(request, 'dataset'), ...name }, ask)
  })
  const at = '/datasets/:dataset/merges/:into/:branch'
  app.get(at, (request) => {
    const query = onlyKnown(request.query, ['column', 'where', 'state', 'from', 'limit'])
    const state = text(query, 'state')
    if (state !== undefined && !STATES.includes(state as DraftState))
      throw refuse('state', `one of ${STATES.join(', ')}`, state)
    return desk.page(nameOf(request), {
      column: text(query, 'column'),
      where: text(query, 'where'),
      state: state as DraftState | undefined,
      from: wholeNumber(query, 'from', 0, ROWS_MAX),
      limit: wholeNumber(query, 'limit', 1, API_LIMITS.mergeRowsMax),
    })
  })
  app.post(`${at}/decide`, (request) => {
    const [given, ask] = actionIn(request, actor, [...CHOICE, 'take', 'value', 'expression', 'seen'])
    const choice = { ...choiceIn(given), ...takeIn(given) }
    return desk.decide(nameOf(request), choice, { ...ask, seen: stepIn(given, 'seen') })
  })
  app.post(`${at}/column`, (request) => {
    const [given, ask] = actionIn(request, actor, ['column', 'take'])
    const take = oneOf(given, 'take', ['ours', 'theirs', 'nobody'] as const)
    return desk.decideColumn(nameOf(request), { column: neededText(given, 'column'), take }, ask)
  })
  app.post(`${at}/undo`, (request) => {
    const [given, ask] = actionIn(request, actor, ['step'])
    return desk.undo(nameOf(request), stepIn(given, 'step'), ask)
  })
  app.post(`${at}/finish`, (request) => desk.finish(nameOf(request), actionIn(request, actor, [])[1]))
  app.post(`${at}/renew`, (request) => desk.renew(nameOf(request), actionIn(request, actor, [])[1]))
  app.post(`${at}/abandon`, (request) => desk.abandon(nameOf(request), actionIn(request, actor, [])[1]))
}

const nameOf = (request: FastifyRequest) => ({
  dataset: param(request, 'dataset'),
  into: param(request, 'into'),
  branch: param(request, 'branch'),
})

/** How conflicts are named in a body. */
const CHOICE = ['cells', 'column', 'where', 'all']

function choiceIn(given: Given): DraftChoice {
  const [column, where] = [text(given, 'column'), text(given, 'where')]
  const { cells, all = false } = given
  if (typeof all !== 'boolean') throw refuse('all', 'true or false', all)
  if (cells !== undefined && !isCells(cells))
    throw refuse('cells', `a list of 1 to ${API_LIMITS.mergeCellsMax} pairs of a row and a place`, cells)
  return {
    ...(cells !== undefined && { cells: cells as [number, number][] }),
    ...(column !== undefined && { column }),
    ...(where !== undefined && { where }),
    ...(all && { all }),
  }
}

const isCells = (cells: unknown): boolean =>
  Array.isArray(cells) &&
  cells.length > 0 &&
  cells.length <= API_LIMITS.mergeCellsMax &&
  cells.every(
    (cell) =>
      Array.isArray(cell) &&
      cell.length === 2 &&
      cell.every((n, i) => Number.isSafeInteger(n) && n >= (i === 0 ? 0 : -1)),
  )

/** What becomes of them. Errors: MR_API_QUERY. */
function takeIn(given: Given): DraftTake {
  const take = oneOf(given, 'take', TAKES)
  const { value, expression } = given
  if (take === 'expression') return { take, expression: neededText({ expression }, 'expression') }
  if (take !== 'value') return { take }
  if (value !== null && typeof value !== 'string') throw refuse('value', 'a text, or null for missing', value)
  return { take, value }
}

function stepIn(given: Given, name: string): number {
  const value = given[name]
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= STEPS_MAX)
    return value as number
  throw refuse(name, 'the number of a step', value)
}
