/** Constraints of config values, described once: the check, the message and the docs follow from the description. */
import { excerpt, MillraceError } from '../core/errors.ts'

export type Rule =
  | {
      kind: 'number'
      min?: number
      max?: number
      integer?: boolean
      exclusiveMin?: boolean
      exclusiveMax?: boolean
    }
  | { kind: 'oneOf'; values: readonly (string | number | boolean)[] }
  | { kind: 'name' }
  | { kind: 'text'; nonEmpty?: boolean }
  | { kind: 'numbers'; each: Rule; empty?: boolean }
  | { kind: 'byName'; each: Rule }
  | { kind: 'either'; rules: readonly Rule[] }

export const share: Rule = { kind: 'number', min: 0, max: 1, exclusiveMin: true, exclusiveMax: true }
export const count = (min: number, max = Number.MAX_SAFE_INTEGER): Rule => ({
  kind: 'number',
  integer: true,
  min,
  max,
})
export const positive: Rule = { kind: 'number', min: 0, exclusiveMin: true }
export const notNegative: Rule = { kind: 'number', min: 0 }

/** Names become refs, file names and URL parts. */
const NAME = /^[A-Za-z][A-Za-z0-9_-]{0,62}$/

/** Throws MR_DEFINE_VALUE naming the place unless the value keeps its rule. */
export function checkValue(place: string, rule: Rule, value: unknown): void {
  if (keepsRule(rule, value)) return
  throw new MillraceError('MR_DEFINE_VALUE', { place, expected: describe(rule), got: shown(value) })
}

export function keepsRule(rule: Rule, value: unknown): boolean {
  switch (rule.kind) {
    case 'number':
      return typeof value === 'number' && isWithin(rule, value)
    case 'oneOf':
      return rule.values.includes(value as string)
    case 'name':
      return typeof value === 'string' && NAME.test(value)
    case 'text':
      return typeof value === 'string' && !(rule.nonEmpty && value.trim() === '')
    case 'numbers':
      return (
        Array.isArray(value) &&
        (rule.empty || value.length > 0) &&
        value.every((item) => keepsRule(rule.each, item))
      )
    case 'byName':
      return isRecord(value) && Object.values(value).every((item) => keepsRule(rule.each, item))
    case 'either':
      return rule.rules.some((one) => keepsRule(one, value))
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length > 0
}

function isWithin(rule: Extract<Rule, { kind: 'number' }>, value: number): boolean {
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = rule
  if (!Number.isFinite(value) || (rule.integer && !Number.isInteger(value))) return false
  return (rule.exclusiveMin ? value > min : value >= min) && (rule.exclusiveMax ? value < max : value <= max)
}

/** A rule in words: `a whole number from 1 to 10000`. */
export function describe(rule: Rule): string {
  switch (rule.kind) {
    case 'number':
      return describeNumber(rule)
    case 'oneOf':
      return `one of ${rule.values.join(', ')}`
    case 'name':
      return 'a name of letters, digits, "_" and "-" that starts with a letter, at most 63 long'
    case 'text':
      return rule.nonEmpty ? 'a text that is not empty' : 'a text'
    case 'numbers':
      return `a list, each item ${describe(rule.each)}`
    case 'byName':
      return `by name ${describe(rule.each)}`
    case 'either':
      return rule.rules.map(describe).join(', or ')
  }
}

function describeNumber(rule: Extract<Rule, { kind: 'number' }>): string {
  const bounds = [
    rule.min === undefined ? '' : `${rule.exclusiveMin ? 'above' : 'at least'} ${rule.min}`,
    rule.max === undefined ? '' : `${rule.exclusiveMax ? 'below' : 'at most'} ${rule.max}`,
  ].filter((text) => text !== '')
  return [rule.integer ? 'a whole number' : 'a number', bounds.join(' and ')].join(' ').trim()
}

/** Values that break a rule, for the tests that every rule is really checked. */
export function invalidValues(rule: Rule): unknown[] {
  switch (rule.kind) {
    case 'number': {
      const outside: unknown[] = [Number.NaN, 'a text', null]
      if (rule.min !== undefined) outside.push(rule.exclusiveMin ? rule.min : rule.min - 1)
      if (rule.max !== undefined) outside.push(rule.exclusiveMax ? rule.max : rule.max + 1)
      if (rule.integer) outside.push((rule.min ?? 0) + 0.5)
      return outside
    }
    case 'oneOf':
      return ['no such value', null]
    case 'name':
      return ['', 'two words', '../up', 'ü', '1st', 'a'.repeat(64), 7]
    case 'text':
      return rule.nonEmpty ? ['', '  ', 7] : [7]
    case 'numbers':
      return [...(rule.empty ? [] : [[]]), 7, ...invalidValues(rule.each).map((value) => [value])]
    case 'byName':
      return ['a text', {}, ...invalidValues(rule.each).map((value) => ({ one: value }))]
    case 'either':
      return rule.rules.flatMap(invalidValues).filter((value) => !keepsRule(rule, value))
  }
}

function shown(value: unknown): string {
  if (typeof value === 'function') return 'a function'
  const text = typeof value === 'number' ? String(value) : JSON.stringify(value)
  return excerpt(text ?? 'nothing')
}
