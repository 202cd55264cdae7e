/** Who asks, and whether they may: tokens by hash, scopes, models, rates, and how often wrong tokens are tried. One for all servers of a process. */
import { timingSafeEqual } from 'node:crypto'
import { MillraceError } from '../../core/errors.ts'
import type { Gauge } from '../metrics.ts'
import { allowsModel, hashOf, isMadeSecret, type TokenGrant } from './grant.ts'
import { RateBucket, type RatePart, type RateUse, rateText } from './rate-bucket.ts'
import type { RouteRule, Scope } from './scopes.ts'

/** Who asks. On the request of HTTP and in the context of a gRPC call. */
export interface Caller {
  /** The token's name; `local` where no token is needed. */
  name: string
  /** Whose share of the memory the request counts to: the token's name, where it states no other. */
  tenant: string
  scopes: readonly Scope[]
  /** Patterns of the models that it may ask; undefined for all. */
  models?: readonly string[]
  bucket?: RateBucket
  expiresAt?: number
}

/** Whoever asks a server that needs no token, and routes that need none. */
export const LOCAL: Caller = { name: 'local', tenant: 'local', scopes: ['admin'] }

interface Key extends Caller {
  hash: Buffer
  rateText: string
  /** Whether a person may have chosen it: then it could be guessed. */
  isChosen: boolean
}

export type Refusal = 'none' | 'unknown' | 'expired' | 'scope' | 'model' | 'rate' | 'tries'

export interface AccessOptions {
  /** One token that may do everything. */
  token?: string
  grants?: readonly TokenGrant[]
  /** Whether tokens are needed though there are none yet: a file of tokens was given. */
  isClosed?: boolean
  /** Epoch milliseconds, for expiry. */
  now?: () => number
  /** Milliseconds of a clock that does not go back, for rates. */
  ticks?: () => number
  /** What this process has of each rate at first, where several share them. Default 1. */
  ratePart?: number
}

/** Where a request came from: its address, and the connection, which is remembered by the token that it brought. */
export interface Origin {
  address: string
  connection?: object
}

/** Addresses whose wrong tries are remembered; the one that tried longest ago goes first. */
const ADDRESSES_MAX = 10_000
/** Wrong tries of one address: twenty at once, ten a minute for good. */
const TRIES = { perS: 1 / 6, burst: 20 }
/** Bytes of a hash by which keys are found before they are compared in constant time. */
const INDEX_BYTES = 8

export class Access {
  readonly refused: Record<Refusal, number> = {
    none: 0,
    unknown: 0,
    expired: 0,
    scope: 0,
    model: 0,
    rate: 0,
    tries: 0,
  }
  readonly #own: Key[]
  readonly #now: () => number
  readonly #ticks: () => number
  readonly #ratePart: number
  readonly #tries = new Map<string, RateBucket>()
  /** The token that a connection brought last: its hash need not be taken again for each request. */
  #known = new WeakMap<object, { authorization: string; key: Key }>()
  #keys = new Map<string, Key>()
  #isClosed: boolean

  constructor({
    token,
    grants = [],
    isClosed = false,
    now = Date.now,
    ticks = () => performance.now(),
    ratePart = 1,
  }: AccessOptions = {}) {
    this.#ratePart = ratePart
    this.#now = now
    this.#ticks = ticks
    this.#own = token ? [chosenKey(token)] : []
    this.#isClosed = isClosed
    this.replace(grants)
  }

  /** Whether a token is needed. Once it was, it stays so until the process ends, also when the last token is revoked. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Puts these tokens in the place of those before. What is left of a rate stays with the name while the rate is the same. */
  replace(grants: readonly TokenGrant[]): void {
    const before = new Map([...this.#keys.values()].map((key) => [key.name, key]))
    const keys = grants.map((grant) => this.#keyOf(grant, before.get(grant.name)))
    this.#keys = new Map([...this.#own, ...keys].map((key) => [indexOf(key.hash), key]))
    this.#known = new WeakMap()
    this.#isClosed ||= this.#keys.size > 0
  }

  /**
   * The caller of a header `Authorization`, once it may ask what the rule says. `from` is where the request came from. Takes nothing of the rate. Errors: MR_SERVE_TOKEN, MR_ACCESS_EXPIRED,
   * MR_ACCESS_SCOPE, MR_ACCESS_MODEL (a route of all models), MR_ACCESS_TRIES.
   */
  admit(authorization: string | undefined, from: Origin, { scopes, reach }: RouteRule): Caller {
    if (scopes === 'public' || !this.#isClosed) return LOCAL
    const caller = this.#find(authorization, from)
    if (!hasScope(caller, scopes)) {
      const { name, scopes: has } = caller
      throw this.#count(
        'scope',
        new MillraceError('MR_ACCESS_SCOPE', { token: name, needs: [...scopes], has: [...has] }),
      )
    }
    if (reach === 'all' && caller.models) throw this.#modelError(caller, '')
    return caller
  }

  /** Takes one request of the caller's rate. Errors: MR_ACCESS_RATE. */
  spend({ name, bucket }: Caller): void {
    if (!bucket) return
    const ticks = this.#ticks()
    if (bucket.take(ticks)) return
    const retryAfterS = Math.max(1, Math.ceil(bucket.waitMs(ticks) / 1000))
    const rate = rateText(bucket.rate)
    throw this.#count('rate', new MillraceError('MR_ACCESS_RATE', { token: name, rate, retryAfterS }))
  }

  /** What was asked of rates since this was asked last: of those alone that were asked. */
  rateUses(): RateUse[] {
    const ticks = this.#ticks()
    return [...this.#keys.values()].flatMap(({ name, bucket }) => bucket?.use(name, ticks) ?? [])
  }

  /** Parts of rates from now on; those of tokens that have another rate by now are let be. */
  dealRates(parts: readonly RatePart[]): void {
    const ticks = this.#ticks()
    const byName = new Map(parts.map((part) => [part.name, part]))
    for (const { name, bucket, rateText: rate } of this.#keys.values()) {
      const part = byName.get(name)
      if (bucket && part?.rate === rate) bucket.deal(part, ticks)
    }
  }

  /** Errors: MR_ACCESS_MODEL when the caller may not ask this model. */
  checkModel(caller: Caller, model: string): void {
    if (!allowsModel(caller, model)) throw this.#modelError(caller, model)
  }

  /** The header fields `RateLimit` and `RateLimit-Policy` of draft-ietf-httpapi-ratelimit-headers-10; undefined for callers without a rate. */
  rateFields({ bucket }: Caller): { limit: string; policy: string } | undefined {
    if (!bucket) return undefined
    const ticks = this.#ticks()
    const { perS, burst } = bucket.rate
    const windowS = Math.max(1, Math.ceil(burst / perS))
    return {
      limit: `"token";r=${bucket.left(ticks)};t=${Math.ceil(bucket.waitMs(ticks) / 1000)}`,
      policy: `"token";q=${burst};w=${windowS}`,
    }
  }

  #find(authorization: string | undefined, { address, connection }: Origin): Caller {
    const known = connection && this.#known.get(connection)
    if (known && known.authorization === authorization) return this.#unexpired(known.key)
    const secret = bearerOf(authorization)
    if (secret === undefined) throw this.#count('none', new MillraceError('MR_SERVE_TOKEN', { got: 'none' }))
    const hash = Buffer.from(hashOf(secret).slice('sha256:'.length), 'hex')
    const key = this.#keys.get(indexOf(hash))
    if (!key || !timingSafeEqual(hash, key.hash)) throw this.#wrong(address)
    if (key.isChosen && !isMadeSecret(secret) && this.#waitS(address) > 0) throw this.#tooMany(address)
    if (connection && authorization !== undefined) this.#known.set(connection, { authorization, key })
    return this.#unexpired(key)
  }

  #unexpired(key: Key): Key {
    if (key.expiresAt === undefined || key.expiresAt > this.#now()) return key
    const at = new Date(key.expiresAt).toISOString()
    throw this.#count('expired', new MillraceError('MR_ACCESS_EXPIRED', { token: key.name, at }))
  }

  /** A wrong token: counted against its address, which soon is told nothing any more, of a token that could be guessed not even that it is right. */
  #wrong(address: string): MillraceError {
    const ticks = this.#ticks()
    const tries = this.#tries.get(address) ?? new RateBucket(TRIES, ticks)
    this.#tries.delete(address)
    this.#tries.set(address, tries)
    if (this.#tries.size > ADDRESSES_MAX) this.#tries.delete(this.#tries.keys().next().value as string)
    if (!tries.take(ticks)) return this.#tooMany(address)
    return this.#count('unknown', new MillraceError('MR_SERVE_TOKEN', { got: 'another' }))
  }

  #tooMany(address: string): MillraceError {
    const retryAfterS = Math.max(1, this.#waitS(address))
    return this.#count('tries', new MillraceError('MR_ACCESS_TRIES', { retryAfterS }))
  }

  /** Seconds until an address may try again; 0 when it may. */
  #waitS(address: string): number {
    const tries = this.#tries.get(address)
    const ticks = this.#ticks()
    return tries && tries.left(ticks) === 0 ? Math.ceil(tries.waitMs(ticks) / 1000) : 0
  }

  #modelError({ name, models = [] }: Caller, model: string): MillraceError {
    return this.#count(
      'model',
      new MillraceError('MR_ACCESS_MODEL', { token: name, model, models: models.slice(0, 10) }),
    )
  }

  #count(why: Refusal, error: MillraceError): MillraceError {
    this.refused[why]++
    return error
  }

  #keyOf(grant: TokenGrant, before: Key | undefined): Key {
    const { name, hash, scopes, models, rate, expiresAt, tenant = name } = grant
    const rateAs = rate ? rateText(rate) : ''
    const bucket =
      before?.rateText === rateAs
        ? before.bucket
        : rate && new RateBucket(rate, this.#ticks(), this.#ratePart)
    return {
      ...{ name, tenant, scopes, models, expiresAt, bucket, rateText: rateAs },
      hash: Buffer.from(hash.slice('sha256:'.length), 'hex'),
      isChosen: false,
    }
  }
}

/** The one token of the command line: a person may have chosen it, so that tries at it are limited. */
function chosenKey(token: string): Key {
  const hash = Buffer.from(hashOf(token).slice('sha256:'.length), 'hex')
  return { name: 'token', tenant: 'token', scopes: ['admin'], hash, rateText: '', isChosen: true }
}

/** What `/metrics` says of refusals. */
export function refusedGauge(access: Access): Gauge {
  const value = () =>
    Object.fromEntries(Object.entries(access.refused).map(([why, n]) => [`why="${why}"`, n]))
  const help = 'Requests refused before they were read, by reason.'
  return { name: 'millrace_access_refused_total', type: 'counter', help, value }
}

const indexOf = (hash: Buffer): string => hash.toString('latin1', 0, INDEX_BYTES)

function hasScope(caller: Caller, scopes: readonly Scope[]): boolean {
  return caller.scopes.includes('admin') || scopes.some((scope) => caller.scopes.includes(scope))
}

function bearerOf(header: string | undefined): string | undefined {
  return header === undefined ? undefined : /^Bearer +(\S+)\s*$/i.exec(header)?.[1]
}
