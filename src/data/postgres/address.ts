/** Addresses of rows on a PostgreSQL server, as libpq writes them: `postgres://user@host:port/database?table=schema.name`. */
import { excerpt, MillraceError } from '../../core/errors.ts'

export const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const
export type SslMode = (typeof SSL_MODES)[number]

/** What is left out is taken from the environment, as libpq does: PGHOST, PGPORT, PGUSER, PGDATABASE, PGPASSWORD, ~/.pgpass. */
export interface PostgresAddress {
  /** A name, or the folder of a socket. */
  host?: string
  port?: number
  user?: string
  password?: string
  database?: string
  sslMode?: SslMode
  /** Files with the certificate of the authority, and of this client with its key. */
  sslRootCert?: string
  sslCert?: string
  sslKey?: string
  table?: string
  query?: string
}

const KNOWN = [
  'table',
  'query',
  'host',
  'port',
  'user',
  'password',
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
]
const QUERY_CHARS = 48

/** What an address names, without a user and a password: as it stands in errors, records and the journal. */
export function shownPostgres(address: string): string {
  const parts = partsOf(address)
  if (parts === undefined) return 'postgres://…'
  const { host, port, path, search } = parts
  const [table, query] = [search.get('table') ?? undefined, search.get('query') ?? undefined]
  return shownRows(`postgres://${host}${port === '' ? '' : `:${port}`}/${oneFolder(path.slice(1))}`, {
    table,
    query,
  })
}

/** The name of a table, or the beginning of a query in one word, behind that of its database. */
export function shownRows(
  database: string,
  { table, query }: Pick<PostgresAddress, 'table' | 'query'>,
): string {
  if (table !== undefined) return `${database}?table=${oneFolder(table)}`
  if (query === undefined) return database
  const word = query.trim().replaceAll(/[^\p{L}\p{N}_.,*"]+/gu, '+')
  return `${database}?query=${word.length > QUERY_CHARS ? `${word.slice(0, QUERY_CHARS)}…` : word}`
}

/** Folders of names that have "=" in them say columns, which these do not. */
const oneFolder = (text: string): string => text.replaceAll(/[=/]/g, '+')

/** Errors: MR_DATA_PG_ADDRESS. */
export function parsePostgres(address: string): PostgresAddress {
  const source = shownPostgres(address)
  const refuse = (why: string) => new MillraceError('MR_DATA_PG_ADDRESS', { source, why })
  const parts = partsOf(address)
  if (parts === undefined) throw refuse('it is no address')
  const { search, ...named } = parts
  for (const key of search.keys())
    if (!KNOWN.includes(key)) throw refuse(`it has "${excerpt(key)}"; known are ${KNOWN.join(', ')}`)
  const said = (key: string): string | undefined => search.get(key) || undefined
  const port = said('port') ?? (named.port || undefined)
  if (port !== undefined && !/^\d{1,5}$/.test(port)) throw refuse('its port is no number')
  const sslMode = said('sslmode')
  if (sslMode !== undefined && !isSslMode(sslMode))
    throw refuse(`its sslmode is "${excerpt(sslMode)}", which should be one of ${SSL_MODES.join(', ')}`)
  if (said('table') !== undefined && said('query') !== undefined)
    throw refuse('it has both a table and a query')
  return {
    host: said('host') ?? (named.host || undefined),
    port: port === undefined ? undefined : Number(port),
    user: said('user') ?? (named.user || undefined),
    password: said('password') ?? (named.password || undefined),
    database: named.path.slice(1) || undefined,
    sslMode,
    sslRootCert: said('sslrootcert'),
    sslCert: said('sslcert'),
    sslKey: said('sslkey'),
    table: said('table'),
    query: said('query'),
  }
}

export const isSslMode = (text: string): text is SslMode => (SSL_MODES as readonly string[]).includes(text)

/** The address again, without a password. */
export function withoutPassword(address: string): string {
  return address
    .replace(/^(postgres(?:ql)?:\/\/[^/?#@]*?):[^/?#]*@/i, '$1@')
    .replace(/([?&])password=[^&#]*(&|(?=#)|$)/gi, (_, before: string, after: string) =>
      after === '&' ? before : '',
    )
}

interface Parts {
  user: string
  password: string
  host: string
  port: string
  /** With the slash before it. */
  path: string
  search: URLSearchParams
}

/** Undefined where it is no URL. The error of `URL` is not kept, since it quotes the address. */
function partsOf(address: string): Parts | undefined {
  try {
    const url = new URL(address)
    const plain = decodeURIComponent
    return {
      user: plain(url.username),
      password: plain(url.password),
      host: plain(url.hostname).replace(/^\[(.*)\]$/, '$1'),
      port: url.port,
      path: plain(url.pathname) || '/',
      search: url.searchParams,
    }
  } catch {
    return undefined
  }
}
