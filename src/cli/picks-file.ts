/** `--picks`: decisions in a JSON file. */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { MillraceError } from '../core/errors.ts'

/** Entries of the list in a file; `read` gives undefined for one that is not understood. Errors: MR_CLI_VALUE with what is `expected`. */
export async function picksIn<T>(
  file: string,
  expected: string,
  read: (entry: unknown) => T | undefined,
): Promise<T[]> {
  const wrong = (got: string) => new MillraceError('MR_CLI_VALUE', { option: '--picks', expected, got })
  const text = await readFile(resolve(file), 'utf8').catch(() => {
    throw wrong(`${file}, which cannot be read`)
  })
  let entries: unknown
  try {
    entries = JSON.parse(text)
  } catch {
    throw wrong(`${file}, which is no JSON`)
  }
  const picks = Array.isArray(entries) ? entries.map(read) : [undefined]
  if (picks.includes(undefined)) throw wrong(`${file} with other entries`)
  return picks as T[]
}
