/** `millrace.lock`: which versions of data a commit of code goes with, as text that git shows and merges line by line. */
import { readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { isDigest } from '../core/digest.ts'
import { excerpt, MillraceError } from '../core/errors.ts'
import { MAIN, refs, VERSIONED } from '../core/names.ts'
import type { Digest } from '../core/records.ts'
import type { Runtime } from './runtime.ts'

export const LOCK_FILE = 'millrace.lock'

/** Refs with the version that each is pinned to. */
export type Lock = Map<string, Digest>

/** The dataset or set of files of a ref. */
export const nameOf = (ref: string): string => ref.replace(/^\w+\/|@.*$/g, '')

const HEAD =
  '# Versions that this code goes with. `millrace data lock` writes it; `millrace data checkout --lock` brings them; `--locked` reads them.'

/**
 * The text of a lock: refs in order, each with its digest on a line of its own, and an empty line between, so that git merges changes of two versions by itself and shows a
 * conflict only where one was pinned in two ways.
 */
export function lockText(lock: Lock, project?: string): string {
  const entries = [...lock].sort(([a], [b]) => (a < b ? -1 : 1))
  const of = project === undefined ? [] : [`${PROJECT}${project}`]
  return `${[HEAD, ...of, ...entries.map(([name, digest]) => `${name}\n  ${digest}`)].join('\n\n')}\n`
}

/** Line that says whose versions a lock pins. */
const PROJECT = 'project '

/** The project that a lock is of; undefined where it does not say. */
const projectIn = (text: string): string | undefined =>
  text
    .split(/\r?\n/)
    .find((line) => line.startsWith(PROJECT))
    ?.slice(PROJECT.length)
    .trim()

/** Errors: MR_LOCK_SYNTAX with the line, also where git has left a conflict. */
export function parseLock(text: string): Lock {
  const lock: Lock = new Map()
  let name: string | undefined
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    const fault = (expected: string) =>
      new MillraceError('MR_LOCK_SYNTAX', { line: i + 1, got: excerpt(line), expected })
    if (/^(<{7}|={7}|>{7}|\|{7})/.test(line))
      throw fault('no mark of a conflict of git: keep one of the two versions')
    if (line.trim() === '' || line.startsWith('#')) continue
    if (line.startsWith(PROJECT) && name === undefined && lock.size === 0) continue
    if (/^\s/.test(line)) {
      const digest = line.trim()
      if (name === undefined || !isDigest(digest))
        throw fault('a digest, sha256: and 64 hex digits, below a ref')
      lock.set(name, digest)
      name = undefined
      continue
    }
    if (name !== undefined || !VERSIONED.some((prefix) => line.startsWith(prefix)) || lock.has(line.trim()))
      throw fault('a ref such as datasets/flights@main, once, with its digest on the next line')
    name = line.trim()
  }
  if (name !== undefined)
    throw new MillraceError('MR_LOCK_SYNTAX', {
      line: text.split('\n').length,
      got: '',
      expected: `the digest of ${name}`,
    })
  return lock
}

/** Where a lock is looked for: `project` is held to what the lock says, where both say it. */
export type LockPlace = Pick<Runtime, 'folder'> & { project?: Pick<Runtime['project'], 'name'> }

/** The lock of a project, or of a file elsewhere; undefined where there is none. Errors: MR_LOCK_SYNTAX, MR_LOCK_PROJECT for that of another project. */
export async function readLock({ folder, project }: LockPlace, file = LOCK_FILE): Promise<Lock | undefined> {
  const text = await textOf(resolve(folder, file))
  if (text === undefined) return undefined
  const lock = parseLock(text)
  const of = projectIn(text)
  if (of !== undefined && project !== undefined && of !== project.name)
    throw new MillraceError('MR_LOCK_PROJECT', { file, of, project: project.name })
  return lock
}

const textOf = async (path: string): Promise<string | undefined> =>
  await readFile(path, 'utf8').catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT') return undefined
    throw thrown
  })

export interface LockChange {
  name: string
  from: Digest | null
  to: Digest
}

/**
 * Pins what main holds of datasets and sets of files: of these names, or of all. With `check` nothing is written. Gives what differs from the lock before.
 * Errors: MR_LOCK_SYNTAX, MR_LOCK_UNKNOWN for a name that has no version.
 */
export async function lockVersions(
  { store, folder, project }: Pick<Runtime, 'store'> & LockPlace,
  { names = [], check = false }: { names?: readonly string[]; check?: boolean },
): Promise<{ lock: Lock; changes: LockChange[] }> {
  // One of another project is written anew.
  const before = (await readLock({ folder })) ?? new Map()
  const heads = (await store.meta.refs('')).filter(
    ({ name }) => VERSIONED.some((prefix) => name.startsWith(prefix)) && name.endsWith(`@${MAIN}`),
  )
  const wanted = names.length === 0 ? heads : names.map((name) => headOf(heads, name))
  const lock: Lock = names.length === 0 ? new Map() : new Map(before)
  for (const { name, digest } of wanted) lock.set(name, digest)
  const changes = wanted.flatMap(({ name, digest }) =>
    before.get(name) === digest ? [] : [{ name, from: before.get(name) ?? null, to: digest }],
  )
  if (!check) await writeFile(join(folder, LOCK_FILE), lockText(lock, project?.name))
  return { lock, changes }
}

function headOf<R extends { name: string }>(heads: readonly R[], name: string): R {
  const found = heads.find((head) => VERSIONED.some((prefix) => head.name === `${prefix}${name}@${MAIN}`))
  if (found) return found
  throw new MillraceError('MR_LOCK_UNKNOWN', {
    name,
    known: heads.map((head) => nameOf(head.name)),
  })
}

/** The version that a dataset or a set of files is pinned to. Errors: MR_LOCK_UNKNOWN where it is not, MR_LOCK_ABSENT where this store does not have that version, and those of `readLock`. */
export async function lockedVersion(
  { store, folder, project }: Pick<Runtime, 'store'> & LockPlace,
  name: string,
): Promise<Digest> {
  const lock = (await readLock({ folder, project })) ?? new Map<string, Digest>()
  const digest = lock.get(refs.dataset(name)) ?? lock.get(refs.files(name))
  if (digest === undefined)
    throw new MillraceError('MR_LOCK_UNKNOWN', {
      name,
      known: [...lock.keys()].map(nameOf),
    })
  if (!(await store.objects.has(digest))) throw new MillraceError('MR_LOCK_ABSENT', { name, digest })
  return digest
}
