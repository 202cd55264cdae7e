/**
 * What is known of a token: its hash and what it may do. The secret itself is shown once, when it is made.
 *
 * A secret is 256 bits of the system's chance, so one round of SHA-256 keeps it: what makes slow hashes (scrypt, Argon2) needful is that people choose passwords out of few; nobody
 * searches 2^256. A slow hash would be paid with every request.
 */
import { hash, randomBytes } from 'node:crypto'
import { MillraceError } from '../../core/errors.ts'
import { checkName } from '../../core/names.ts'
import { parseRate, type Rate, rateText } from './rate-bucket.ts'
import { SCOPES, type Scope } from './scopes.ts'

export interface TokenGrant {
  name: string
  /** `sha256:` and the hash of the whole secret. */
  hash: string
  scopes: readonly Scope[]
  /** Names of models, `*` for any characters; undefined for all. */
  models?: readonly string[]
  rate?: Rate
  /** Epoch milliseconds from which it is refused. */
  expiresAt?: number
  /** Whose share of the memory its requests count to. Default: the token's name. */
  tenant?: string
}

const PREFIX = 'mrt_'
const SECRET_BYTES = 32

/** A new secret: 256 bits of chance after a prefix by which scanners of source code find it. */
export function newSecret(): string {
  return PREFIX + randomBytes(SECRET_BYTES).toString('base64url')
}

export function isMadeSecret(secret: string): boolean {
  return secret.startsWith(PREFIX) && secret.length === PREFIX.length + 43
}

export function hashOf(secret: string): string {
  return `sha256:${hash('sha256', secret)}`
}

/** What a person writes of a token, all of it text: options of the command, a line of a file. */
export interface GrantText {
  name?: unknown
  scope?: unknown
  models?: unknown
  rate?: unknown
  expires?: unknown
  tenant?: unknown
}

/**
 * Reads what a token may do. `expires` is a length of time from `now` (`90d`, `12h`), or an instant. Errors: MR_ACCESS_GRANT names what is wrong, MR_NAME.
 */
export function readGrant(text: GrantText, hash: string, now: number): TokenGrant {
  const name = checkName('token', typeof text.name === 'string' ? text.name : '')
  const models = optional(text.models, readModels)
  const rate = optional(text.rate, readRate)
  const expiresAt = optional(text.expires, (given) => readExpiry(given, now))
  const tenant = optional(text.tenant, (given) => checkName('tenant', String(given)))
  return {
    name,
    hash: readHash(hash),
    scopes: readScopes(text.scope),
    ...(models && { models }),
    ...(rate && { rate }),
    ...(expiresAt !== undefined && { expiresAt }),
    ...(tenant !== undefined && { tenant }),
  }
}

/** A grant as `readGrant` takes it. */
export function grantText(grant: TokenGrant): Record<string, string> {
  const { name, hash, scopes, models, rate, expiresAt, tenant } = grant
  return {
    name,
    hash,
    scope: scopes.join(','),
    ...(models && { models: models.join(',') }),
    ...(rate && { rate: rateText(rate) }),
    ...(expiresAt !== undefined && { expires: new Date(expiresAt).toISOString() }),
    ...(tenant !== undefined && { tenant }),
  }
}

/** Whether a token may speak of a model, by the name that is asked for: `late`, or `late/ATL`. */
export function allowsModel({ models }: Pick<TokenGrant, 'models'>, model: string): boolean {
  return models === undefined || models.some((pattern) => matches(pattern, model))
}

/** Text against a pattern in which `*` is any characters, the greedy way with one place to go back to: no pattern takes long. */
function matches(pattern: string, text: string): boolean {
  let p = 0
  let star = -1
  let mark = 0
  for (let t = 0; t < text.length; ) {
    if (pattern[p] === '*') {
      star = p++
      mark = t
    } else if (p < pattern.length && pattern[p] === text[t]) {
      p++
      t++
    } else if (star >= 0) {
      p = star + 1
      t = ++mark
    } else return false
  }
  while (pattern[p] === '*') p++
  return p === pattern.length
}

const optional = <T>(given: unknown, read: (given: unknown) => T): T | undefined =>
  given === undefined || given === null || given === '' ? undefined : read(given)

function words(given: unknown): string[] {
  const list = Array.isArray(given) ? given.map(String) : String(given ?? '').split(',')
  return list.map((word) => word.trim()).filter((word) => word !== '')
}

function readScopes(given: unknown): Scope[] {
  const scopes = words(given)
  const isKnown = scopes.every((scope) => SCOPES.includes(scope as Scope))
  if (scopes.length > 0 && isKnown) return SCOPES.filter((scope) => scopes.includes(scope))
  throw grantError('scope', `some of ${SCOPES.join(', ')}`, given)
}

function readModels(given: unknown): string[] {
  const models = words(given)
  if (models.length > 0 && models.every((model) => model.length <= 200)) return models
  throw grantError('models', 'names of models with commas, * for any characters (late,late/*)', given)
}

function readRate(given: unknown): Rate {
  const rate = parseRate(String(given))
  if (rate) return rate
  throw grantError('rate', 'requests a second, minute, hour or day, with the burst: 100/s, 30/m,60', given)
}

const UNIT_MS: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 }

function readExpiry(given: unknown, now: number): number {
  const text = String(given)
  const [, count, unit] = /^(\d{1,5})([mhdw])$/.exec(text) ?? []
  const at = unit === undefined ? Date.parse(text) : now + Number(count) * UNIT_MS[unit]
  if (Number.isFinite(at) && (unit !== undefined || /^\d{4}-/.test(text)) && Number(count ?? 1) > 0) return at
  throw grantError('expires', 'a length of time or an instant: 90d, 12h, 2027-01-31', given)
}

function readHash(hash: unknown): string {
  if (typeof hash === 'string' && /^sha256:[0-9a-f]{64}$/.test(hash)) return hash
  throw grantError('hash', '"sha256:" and 64 hex digits', hash)
}

function grantError(field: string, need: string, got: unknown): MillraceError {
  const said = got === undefined || got === '' ? 'nothing' : String(got).slice(0, 64)
  return new MillraceError('MR_ACCESS_GRANT', { field, need, got: said })
}
