/** The routes of triage: thin over the desk. What is asked is checked here, so that every refusal has its code and says what to send. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Digest } from '../core/records.ts'
import type { ExprNode } from '../expr/ast.ts'
import { parseExpr } from '../expr/parse.ts'
import { parseFix, type QuarantineVerb } from '../loop/quarantine.ts'
import type { TriageFilter } from '../loop/triage.ts'
import { actionIn } from './actions.ts'
import { API_LIMITS } from './limits.ts'
import { type Given, neededText, oneOf, onlyKnown, param, refuse, text, wholeNumber } from './query.ts'
import { quote, type TriageDesk } from './triage-desk.ts'

const VERBS: readonly QuarantineVerb[] = ['release', 'fix', 'drop']
const ROWS_MAX = 2_000_000

export function triageRoutes(app: FastifyInstance, desk: TriageDesk, actor?: string): void {
  app.get('/triage/:name', (request) => {
    const query = onlyKnown(request.query, ['finding', 'where', 'from', 'limit'])
    return desk.view(param(request, 'name'), {
      ...filterIn(query),
      from: wholeNumber(query, 'from', 0, ROWS_MAX),
      limit: wholeNumber(query, 'limit', 1, API_LIMITS.triageRowsMax),
    })
  })
  app.get('/datasets/:dataset/branches', (request) => desk.branches(param(request, 'dataset')))
  app.post('/datasets/:dataset/quarantine', (request) => {
    const [given, ask] = actionIn(request, actor, [
      ...CHOICE,
      'verb',
      'version',
      'branch',
      'failed',
      'all',
      'set',
    ])
    const verb = oneOf(given, 'verb', VERBS)
    const { where, rows } = filterIn(given)
    const failed = texts(given, 'failed')
    const set = texts(given, 'set')
    const all = flag(given, 'all')
    return desk.edit(
      {
        ...{ dataset: param(request, 'dataset'), verb, where, rows, all },
        version: neededText(given, 'version') as Digest,
        branch: text(given, 'branch'),
        reasons: failed,
        set: set?.map(parseFix),
        said: [
          ...(failed ?? []).map((reason) => `--failed ${quote(reason)}`),
          ...saidOf(given),
          ...(all ? ['--all'] : []),
          ...(set ?? []).map((fix) => `--set ${quote(fix)}`),
        ].join(' '),
      },
      ask,
    )
  })
  branchRoutes(app, desk, actor)
}

function branchRoutes(app: FastifyInstance, desk: TriageDesk, actor?: string): void {
  const at = '/datasets/:dataset/branches/:branch'
  const named = (request: FastifyRequest) => [param(request, 'dataset'), param(request, 'branch')] as const
  app.post(`${at}/quarantine`, (request) => {
    const [given, ask] = actionIn(request, actor, [...CHOICE, 'name', 'finding', 'top'])
    const filter = filterIn(given)
    if (Object.keys(filter).length === 0) throw refuse('the choice', 'finding, where, rows or top', given)
    return desk.putAside(
      ...named(request),
      neededText(given, 'name'),
      { ...filter, said: saidOf(given).join(' ') },
      ask,
    )
  })
  app.post(`${at}/try`, (request) => {
    const [given, ask] = actionIn(request, actor, ['model', 'cleanTest'])
    return desk.try(...named(request), neededText(given, 'model'), flag(given, 'cleanTest'), ask)
  })
  app.post(`${at}/merge`, (request) => desk.merge(...named(request), actionIn(request, actor, [])[1]))
  app.post(`${at}/drop`, (request) => desk.drop(...named(request), actionIn(request, actor, [])[1]))
}

/** How rows are named in a body. */
const CHOICE = ['where', 'rows']

/** An expression of a query. Errors: MR_EXPR_SYNTAX. */
export const filterOf = (where: string | undefined): ExprNode | undefined =>
  where === undefined ? undefined : parseExpr(where)

function filterIn(given: Given): TriageFilter {
  const finding = text(given, 'finding')
  const where = filterOf(text(given, 'where'))
  const rows = numbers(given, 'rows')
  const top =
    given.top === undefined ? undefined : wholeNumber({ top: String(given.top) }, 'top', 1, ROWS_MAX)
  return {
    ...(finding !== undefined && { findings: finding.split(',').map((each) => each.trim()) }),
    ...(where !== undefined && { where }),
    ...(rows !== undefined && { rows }),
    ...(top !== undefined && { top }),
  }
}

/** The same choice as options of the command. */
function saidOf({ finding, where, rows, top }: Given): string[] {
  const list = rows as number[] | undefined
  return [
    ...(finding === undefined || finding === '' ? [] : [`--finding ${quote(String(finding))}`]),
    ...(where === undefined || where === '' ? [] : [`--where ${quote(String(where))}`]),
    ...(list === undefined ? [] : [`--row ${list.join(',')}`]),
    ...(top === undefined ? [] : [`--top ${top}`]),
  ]
}

function flag(given: Given, name: string): boolean {
  const value = given[name] ?? false
  if (typeof value !== 'boolean') throw refuse(name, 'true or false', value)
  return value
}

function texts(given: Given, name: string): string[] | undefined {
  const value = given[name]
  if (value === undefined) return undefined
  const isList =
    Array.isArray(value) &&
    value.every((each) => typeof each === 'string' && each.length <= API_LIMITS.textCharsMax)
  if (!isList || value.length === 0) throw refuse(name, 'a list of texts', value)
  return value as string[]
}

function numbers(given: Given, name: string): number[] | undefined {
  const value = given[name]
  if (value === undefined) return undefined
  const max = API_LIMITS.rowNumbersMax
  const isList =
    Array.isArray(value) && value.length <= max && value.every((n) => Number.isInteger(n) && n >= 0)
  if (!isList || value.length === 0) throw refuse(name, `a list of 1 to ${max} numbers of rows`, value)
  return value as number[]
}
