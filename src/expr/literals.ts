import type { Literal, LiteralRule } from './functions/spec.ts'
import { duckPattern } from './pattern.ts'
import { zoneOf } from './zones.ts'

/** What a literal should have been, in words, or undefined when it keeps its rule. Patterns and zones throw their own coded errors. */
export function checkLiteral(rule: LiteralRule, value: Literal): string | undefined {
  return keeps(rule, value) ? undefined : describeRule(rule)
}

/** A rule in words: `a whole number from 0 to 15`. */
function describeRule(rule: LiteralRule): string {
  switch (rule.kind) {
    case 'number':
      return describeNumber(rule)
    case 'oneOf':
      return `one of ${rule.values.join(', ')}`
    case 'string':
      return rule.nonEmpty ? 'a text that is not empty' : 'a text'
    case 'pattern':
      return 'a regular expression'
    case 'zone':
      return 'an IANA time zone'
  }
}

function describeNumber(rule: Extract<LiteralRule, { kind: 'number' }>): string {
  const kind = rule.integer ? 'a whole number' : 'a number'
  if (rule.min !== undefined && rule.max !== undefined) return `${kind} from ${rule.min} to ${rule.max}`
  if (rule.min !== undefined) return `${kind} ${rule.exclusiveMin ? 'above' : 'of at least'} ${rule.min}`
  return rule.max === undefined ? kind : `${kind} of at most ${rule.max}`
}

function keeps(rule: LiteralRule, value: Literal): boolean {
  switch (rule.kind) {
    case 'number':
      return typeof value === 'number' && isWithin(rule, value)
    case 'oneOf':
      return typeof value === 'string' && rule.values.includes(value)
    case 'string':
      return typeof value === 'string' && !(rule.nonEmpty && value === '')
    case 'pattern':
      return typeof value === 'string' && duckPattern(value) !== undefined
    case 'zone':
      return typeof value === 'string' && zoneOf(value) !== undefined
  }
}

function isWithin(rule: Extract<LiteralRule, { kind: 'number' }>, value: number): boolean {
  if (!Number.isFinite(value) || (rule.integer && !Number.isInteger(value))) return false
  if (rule.min !== undefined && (rule.exclusiveMin ? value <= rule.min : value < rule.min)) return false
  return rule.max === undefined || value <= rule.max
}
