/** Files without a line of names get one, in a copy: the file that was delivered stays as it is. */
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { MillraceError } from '../core/errors.ts'
import type { Inspection } from '../data/index.ts'

/** Copies with `names` as the first line, below `folder`. Errors: MR_CLI_COLUMNS, MR_CLI_HEADER. Cost: one read and one write of each file. */
export async function withNames(
  paths: readonly string[],
  look: Pick<Inspection, 'columns' | 'files' | 'read'>,
  names: string,
  folder: string,
): Promise<string[]> {
  const list = names.split(',').map((name) => name.trim())
  const [first] = look.files
  if (look.files.some((file) => file.header !== false))
    throw new MillraceError('MR_CLI_HEADER', { file: first.name })
  if (list.length !== look.columns.length || list.includes(''))
    throw new MillraceError('MR_CLI_COLUMNS', {
      file: first.name,
      expected: look.columns.length,
      got: list.filter(Boolean).length,
    })
  await mkdir(folder, { recursive: true })
  const line = `${list.map(field).join(look.read.delimiter ?? ',')}\n`
  return await Promise.all(paths.map((path, i) => copyWith(line, path, folder, look.files[i].gzip)))
}

async function copyWith(line: string, path: string, folder: string, gzip: boolean): Promise<string> {
  const name = basename(path).replace(/\.gz$/i, '')
  const copy = join(folder, /\.csv$/i.test(name) ? name : `${name}.csv`)
  const rows = gzip ? createReadStream(path).pipe(createGunzip()) : createReadStream(path)
  await pipeline(Readable.from(headed(line, rows)), createWriteStream(copy))
  return copy
}

async function* headed(line: string, rows: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  yield Buffer.from(line)
  yield* rows
}

const field = (name: string): string => (/[",;\t|]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name)
