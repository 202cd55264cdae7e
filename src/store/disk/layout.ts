import { randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { MillraceError } from '../../core/errors.ts'
import { replaceDurably, syncFolder } from './disk.ts'
import { codeOf, fault, isAbsent } from './fault.ts'

/** Number of the folder's format; raised when an older Millrace could not read what a newer one writes. */
export const STORE_FORMAT = 1

/** Where everything of an embedded store lives. */
export interface Layout {
  dir: string
  objects: string
  meta: string
  log: string
  scratch: string
  cache: string
}

function layoutOf(dir: string): Layout {
  return {
    dir,
    objects: join(dir, 'objects'),
    meta: join(dir, 'meta.sqlite'),
    log: join(dir, 'log'),
    scratch: join(dir, 'scratch'),
    cache: join(dir, 'cache'),
  }
}

/** Names that a store whose creation was cut short may hold before it has its mark. */
const OWN = /^(objects|log|scratch|meta\.sqlite(-wal|-shm|-journal)?|store\.json.*)$/

/**
 * Checks that a folder is a store this version can use, or makes it one. Throws MR_STORE_FOREIGN,
 * MR_STORE_NEWER, MR_NO_PERMISSION.
 */
export async function prepareLayout(dir: string): Promise<Layout> {
  const layout = layoutOf(dir)
  try {
    await makeFolder(dir)
    const mark = await readMark(dir)
    if (mark === undefined) await refuseForeign(dir)
    for (const folder of [layout.objects, layout.log, layout.scratch])
      await mkdir(folder, { recursive: true })
    if (mark === undefined) await writeMark(dir)
  } catch (thrown) {
    throw fault(thrown, dir, 'write')
  }
  return layout
}

async function makeFolder(dir: string): Promise<void> {
  try {
    if ((await mkdir(dir, { recursive: true })) !== undefined) await syncFolder(dirname(dir))
  } catch (thrown) {
    if (codeOf(thrown) === 'EEXIST' || codeOf(thrown) === 'ENOTDIR') {
      throw new MillraceError(
        'MR_STORE_FOREIGN',
        { path: dir, found: 'a file where a folder is needed' },
        { cause: thrown },
      )
    }
    throw thrown
  }
}

async function readMark(dir: string): Promise<number | undefined> {
  const path = join(dir, 'store.json')
  const text = await readFile(path, 'utf8').catch((thrown) => {
    if (isAbsent(thrown)) return undefined
    throw thrown
  })
  if (text === undefined) return undefined
  const format = formatIn(text)
  if (format === undefined)
    throw new MillraceError('MR_STORE_FOREIGN', {
      path: dir,
      found: 'a store.json that Millrace did not write',
    })
  if (format > STORE_FORMAT) {
    throw new MillraceError('MR_STORE_NEWER', {
      path: dir,
      format: String(format),
      known: String(STORE_FORMAT),
    })
  }
  return format
}

function formatIn(text: string): number | undefined {
  try {
    const mark = JSON.parse(text) as { kind?: unknown; format?: unknown } | null
    return mark?.kind === 'millrace-store' && Number.isSafeInteger(mark.format)
      ? (mark.format as number)
      : undefined
  } catch {
    return undefined
  }
}

async function refuseForeign(dir: string): Promise<void> {
  const strange = (await readdir(dir)).filter((name) => !OWN.test(name))
  if (strange.length === 0) return
  const found = strange.slice(0, 3).join(', ') + (strange.length > 3 ? ` and ${strange.length - 3} more` : '')
  throw new MillraceError('MR_STORE_FOREIGN', { path: dir, found })
}

async function writeMark(dir: string): Promise<void> {
  const text = `${JSON.stringify({ kind: 'millrace-store', format: STORE_FORMAT })}\n`
  const path = join(dir, 'store.json')
  await replaceDurably(path, `${path}.${randomUUID()}`, new TextEncoder().encode(text))
}
