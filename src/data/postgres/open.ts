/** Connections to PostgreSQL, with encryption as libpq's `sslmode` says. */
import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import pg from 'pg'
import pgPass from 'pgpass'
import { type ErrorCode, MillraceError, toError } from '../../core/errors.ts'
import { isSslMode, type PostgresAddress, type SslMode } from './address.ts'

export type PostgresClient = InstanceType<typeof pg.Client>

const CONNECT_MS = 15_000

/** A connection, which the caller ends. Errors: MR_DATA_PG_CONNECT, MR_DATA_PG_DENIED, MR_DATA_PG_ADDRESS. */
export async function connectPostgres(address: PostgresAddress, source: string): Promise<PostgresClient> {
  const env = process.env.PGSSLMODE ?? ''
  const mode = address.sslMode ?? (isSslMode(env) ? env : 'prefer')
  const isSocket = (address.host ?? process.env.PGHOST ?? '').startsWith('/')
  try {
    return await connected(address, isSocket ? false : encryption(mode, address, source))
  } catch (thrown) {
    const isPlain = (mode === 'prefer' || mode === 'allow') && hasNoSsl(toError(thrown))
    if (!isPlain) throw connectError(toError(thrown), source)
  }
  try {
    return await connected(address, false)
  } catch (thrown) {
    throw connectError(toError(thrown), source)
  }
}

type Wanted = Parameters<typeof pgPass>[0]

/** Asked when the server asks. */
async function passwordFor(given: string | undefined, wanted: Wanted): Promise<string> {
  const known = given ?? process.env.PGPASSWORD
  const found = known ?? (await new Promise<string | undefined>((resolve) => pgPass(wanted, resolve)))
  if (found === undefined) throw new NoPassword('the server asks for a password, and none is given')
  return found
}

class NoPassword extends Error {}

const hasNoSsl = (error: Error): boolean => /does not support SSL/i.test(error.message)

async function connected(address: PostgresAddress, ssl: ConnectionOptions | false): Promise<PostgresClient> {
  const { host, port, user, password, database } = address
  const client = new pg.Client({
    ...(host !== undefined && { host }),
    ...(port !== undefined && { port }),
    ...(user !== undefined && { user }),
    // Its types do not know that it is told for whom.
    password: ((wanted: Wanted) => passwordFor(password, wanted)) as unknown as () => Promise<string>,
    ...(database !== undefined && { database }),
    ssl,
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
    application_name: 'millrace',
  })
  // What breaks between two questions is told by the next one.
  client.on('error', () => undefined)
  try {
    await client.connect()
    return client
  } catch (thrown) {
    await client.end().catch(() => undefined)
    throw thrown
  }
}

/** `require` encrypts without asking whose certificate it is, unless an authority is named; `verify-ca` asks for the authority, `verify-full` for the name too. */
function encryption(mode: SslMode, address: PostgresAddress, source: string): ConnectionOptions | false {
  if (mode === 'disable') return false
  const { sslRootCert, sslCert, sslKey } = address
  const isVerified =
    mode === 'verify-ca' || mode === 'verify-full' || (mode === 'require' && sslRootCert !== undefined)
  const read = (path: string | undefined) => path && readCertificate(path, source)
  return {
    rejectUnauthorized: isVerified,
    ...(mode !== 'verify-full' && { checkServerIdentity: () => undefined }),
    ...(sslRootCert !== undefined && { ca: read(sslRootCert) }),
    ...(sslCert !== undefined && { cert: read(sslCert) }),
    ...(sslKey !== undefined && { key: read(sslKey) }),
  }
}

function readCertificate(path: string, source: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (thrown) {
    throw new MillraceError('MR_DATA_PG_ADDRESS', {
      source,
      why: `${path} cannot be read: ${toError(thrown).message}`,
    })
  }
}

/** Code that the server gives an error (appendix A of its manual), or the system; empty without. */
export const stateOf = (error: Error): string => String((error as { code?: unknown }).code ?? '')

/** No such user, no or a wrong password, not let in by pg_hba.conf; no privilege. */
export const isDenied = (error: Error): boolean => /^(28...|42501)$/.test(stateOf(error))

function connectError(error: Error, source: string): MillraceError {
  if (error instanceof MillraceError) return error
  const [code, why] = connectFault(error)
  return new MillraceError(code, { source, why }, { cause: error })
}

function connectFault(
  error: Error,
): [Extract<ErrorCode, `MR_DATA_PG_${'DENIED' | 'ADDRESS' | 'CONNECT'}`>, string] {
  if (error instanceof NoPassword || isDenied(error)) return ['MR_DATA_PG_DENIED', error.message]
  // No such database.
  if (stateOf(error) === '3D000') return ['MR_DATA_PG_ADDRESS', error.message]
  return ['MR_DATA_PG_CONNECT', reasonsOf(error)]
}

/** A name that has several addresses fails at each of them. */
function reasonsOf(error: Error): string {
  const all =
    error instanceof AggregateError ? (error.errors as unknown[]).map((one) => toError(one).message) : []
  return [error.message, ...all].filter((text) => text !== '').join('; ') || stateOf(error) || error.name
}
