/** Query parameters, path parameters and bodies, checked by hand so that every refusal has its code and says what to send. */
import type { FastifyRequest } from 'fastify'
import { excerpt, MillraceError } from '../core/errors.ts'
import { parseJson } from '../serve/http/body.ts'
import { API_LIMITS } from './limits.ts'

export type Given = Record<string, unknown>

export function refuse(name: string, need: string, got: unknown): MillraceError {
  const text = got === undefined ? 'nothing' : excerpt(JSON.stringify(got), 60)
  return new MillraceError('MR_API_QUERY', { name, need, got: text })
}

/** Refuses parameters that the route does not have: a misspelt one would be ignored without a word. */
export function onlyKnown(given: unknown, names: readonly string[]): Given {
  const query = (given ?? {}) as Given
  const unknown = Object.keys(query).find((name) => !names.includes(name))
  if (unknown !== undefined)
    throw refuse(
      excerpt(unknown, 40),
      names.length === 0 ? 'left out' : `one of ${names.join(', ')}`,
      query[unknown],
    )
  return query
}

/** A whole number of a query between two bounds; undefined when it is not given. */
export function wholeNumber(query: Given, name: string, min: number, max: number): number | undefined {
  const value = query[name]
  if (value === undefined || value === '') return undefined
  const number = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN
  if (!(number >= min && number <= max)) throw refuse(name, `a whole number from ${min} to ${max}`, value)
  return number
}

/** A text of a query; undefined when it is not given. */
export function text(query: Given, name: string): string | undefined {
  const value = query[name]
  if (value === undefined || value === '') return undefined
  if (typeof value !== 'string' || value.length > API_LIMITS.textCharsMax)
    throw refuse(name, `one text of at most ${API_LIMITS.textCharsMax} characters`, value)
  return value
}

/** A text of a query that must be there. */
export function neededText(query: Given, name: string): string {
  const value = text(query, name)
  if (value === undefined) throw refuse(name, 'given', undefined)
  return value
}

/** One of the words that a body may say. */
export function oneOf<T extends string>(given: Given, name: string, known: readonly T[]): T {
  const value = given[name]
  if (!known.includes(value as T)) throw refuse(name, `one of ${known.join(', ')}`, value)
  return value as T
}

/** A named part of the path, decoded. */
export function param(request: FastifyRequest, name: string): string {
  return (request.params as Record<string, string>)[name]
}

export interface ActionBody {
  dryRun: boolean
  reason: string
}

/** How an action is asked for, of the fields of its body. */
export function actionBody({ dryRun = false, reason = '' }: Given): ActionBody {
  if (typeof dryRun !== 'boolean') throw refuse('dryRun', 'true or false', dryRun)
  if (typeof reason !== 'string' || reason.length > API_LIMITS.textCharsMax)
    throw refuse('reason', `a text of at most ${API_LIMITS.textCharsMax} characters`, reason)
  return { dryRun, reason: reason.trim() }
}

/** A body as an object; an empty one is `{}`. */
export function bodyObject(body: unknown): Given {
  const value = body instanceof Uint8Array && body.length > 0 ? parseJson(body, API_LIMITS.jsonDepthMax) : {}
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw refuse('the body', 'an object such as {"dryRun": true, "reason": "…"}', value)
  return value
}
