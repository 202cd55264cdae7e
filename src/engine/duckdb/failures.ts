/** What DuckDB says when it fails, as coded errors. Its messages begin with a kind: `IO Error: …`. */
import { excerpt, MillraceError, toError } from '../../core/errors.ts'
import { isDiskFull } from '../../store/disk/fault.ts'

const SQL_CHARS_MAX = 400
const MESSAGE_CHARS_MAX = 240

/** How a failure is treated: `cancelled` by interrupt, `broken` when the engine may have to be opened anew, `error` as it is. */
export type Failure =
  | { kind: 'cancelled' }
  | { kind: 'broken'; message: string }
  | { kind: 'error'; error: MillraceError }

/** Sorts what DuckDB threw while it ran `sql`. Anything that is not DuckDB's (a coded error of ours) is the caller's to rethrow. */
export function failureOf(
  thrown: unknown,
  about: { sql: string; memoryMb: number; tempDir: string },
): Failure {
  const cause = toError(thrown)
  const sql = excerpt(about.sql.trim(), SQL_CHARS_MAX)
  const kind = /^([A-Z][A-Za-z ]*?) ?Error:/.exec(cause.message)?.[1] ?? ''
  const message = sayOf(cause.message, kind)
  const coded = (error: MillraceError): Failure => ({ kind: 'error', error })
  if (kind === 'INTERRUPT') return { kind: 'cancelled' }
  if (kind === 'INTERNAL' || kind === 'FATAL') return { kind: 'broken', message }
  if (isDiskFull(cause)) {
    return coded(new MillraceError('MR_NO_SPACE', { path: about.tempDir }, { cause }))
  }
  if (kind === 'Out of Memory')
    return coded(new MillraceError('MR_QUERY_MEMORY', { memoryMb: about.memoryMb, sql }, { cause }))
  if (kind === 'Permission' || /has been locked/.test(cause.message)) {
    return coded(new MillraceError('MR_QUERY_DENIED', { message, sql }, { cause }))
  }
  const file = fileOf(cause.message)
  if (file !== undefined) return coded(new MillraceError('MR_QUERY_FILE', { file, message, sql }, { cause }))
  return coded(new MillraceError('MR_QUERY_FAILED', { kind: kind || 'failed', message, sql }, { cause }))
}

/** First paragraph without the kind and without the drawing of the place, cut: messages may quote a cell. */
function sayOf(message: string, kind: string): string {
  const paragraph = message.split(/\n\s*\n|\nLINE /)[0]!
  const text = kind ? paragraph.slice(paragraph.indexOf(':') + 1) : paragraph
  return excerpt(text.replace(/\s+/g, ' ').trim(), MESSAGE_CHARS_MAX)
}

/** The file a message blames: a quoted text after the words that DuckDB uses for files, or one with a data file's ending. */
function fileOf(message: string): string | undefined {
  const named = /(?:file|pattern|path|in|open) ?:? ?["']([^"'\n]*[/.][^"'\n]*)["']/i.exec(message)?.[1]
  if (named) return named
  if (/^IO Error: Could not set lock on file/.test(message)) return /file "([^"]+)"/.exec(message)?.[1]
  return (
    /["']([^"'\n]+\.(?:parquet|csv|tsv|json|ndjson|jsonl|duckdb|db)(?:\.\w+)?)["']/i.exec(message)?.[1] ??
    /(\/\S+\.parquet)/.exec(message)?.[1]
  )
}
