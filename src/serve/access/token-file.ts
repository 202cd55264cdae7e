/** A file of tokens for servers without a store: one JSON object a line, as `millrace token make` prints it. Read again when it changes. */
import { readFileSync, statSync } from 'node:fs'
import { isMillraceError, MillraceError, toError } from '../../core/errors.ts'
import type { Access } from './access.ts'
import { type GrantText, readGrant, type TokenGrant } from './grant.ts'

/** How often it is looked whether the file is another one. */
const POLL_MS = 1_000
const BYTES_MAX = 4 * 1024 * 1024

/** Empty lines and lines that begin with `#` are left out. Errors: MR_ACCESS_FILE names the line. */
function readTokenFile(file: string, now: number): TokenGrant[] {
  const lines = textOf(file).split('\n')
  const grants = lines.flatMap((line, i) => {
    const text = line.trim()
    return text === '' || text.startsWith('#') ? [] : [readLine(file, text, i + 1, now)]
  })
  const seen = new Set<string>()
  for (const { name } of grants) {
    if (seen.has(name))
      throw new MillraceError('MR_ACCESS_FILE', { file, line: 0, why: `"${name}" is twice` })
    seen.add(name)
  }
  return grants
}

function textOf(file: string): string {
  try {
    const { size } = statSync(file)
    if (size > BYTES_MAX) throw new Error(`it has ${size} bytes, at most ${BYTES_MAX} are read`)
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new MillraceError('MR_ACCESS_FILE', { file, line: 0, why: toError(cause).message }, { cause })
  }
}

function readLine(file: string, text: string, line: number, now: number): TokenGrant {
  try {
    const { hash, ...grant } = JSON.parse(text) as GrantText & { hash: string }
    return readGrant(grant, hash, now)
  } catch (cause) {
    const error = toError(cause)
    const why = isMillraceError(error) ? error.message.slice(error.code.length + 2) : 'it is not JSON'
    throw new MillraceError('MR_ACCESS_FILE', { file, line, why }, { cause })
  }
}

/**
 * Gives the tokens of a file to `access` now, and again whenever the file changes. A file that cannot be read then leaves the tokens as they are, and `onFault` is told, once a fault.
 * Gives what ends that. Errors: MR_ACCESS_FILE at the first reading.
 */
export function followTokenFile(
  access: Access,
  file: string,
  options: { now: () => number; onFault: (error: Error) => void; pollMs?: number },
): () => void {
  let seen = stampOf(file)
  access.replace(readTokenFile(file, options.now()))
  const look = () => {
    const stamp = stampOf(file)
    if (stamp === seen) return
    seen = stamp
    try {
      access.replace(readTokenFile(file, options.now()))
    } catch (error) {
      options.onFault(toError(error))
    }
  }
  const timer = setInterval(look, options.pollMs ?? POLL_MS)
  timer.unref()
  return () => clearInterval(timer)
}

/** What is another when the file is; a link to another file is followed. */
function stampOf(file: string): string {
  const stat = statSync(file, { throwIfNoEntry: false })
  return stat ? `${stat.ino} ${stat.size} ${stat.mtimeMs}` : 'none'
}
