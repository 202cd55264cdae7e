/** Files that DVC tracks, read from `.dvc` files and `dvc.lock`: in the workspace where they are, else in the cache of DVC; held to the MD5 that DVC noted. */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, resolve } from 'node:path'
import { parse } from 'yaml'
import { excerpt, MillraceError } from '../core/errors.ts'
import { hashFile } from './hash-file.ts'

/** A file as DVC knows it. */
export interface DvcFile {
  /** Path in the workspace. */
  path: string
  md5: string
  /** Where its bytes are: the workspace or the cache. */
  at: string
}

interface Out {
  path?: unknown
  md5?: unknown
  hash?: unknown
}

const MD5 = /^[0-9a-f]{32}$/

/** Whether a name is that of a file in which DVC notes what it tracks. */
export const isDvcFile = (path: string): boolean => path.endsWith('.dvc') || basename(path) === 'dvc.lock'

/**
 * The files that a `.dvc` file or a `dvc.lock` tracks; those of tracked folders one by one. Each is where its bytes have the MD5 that is noted: in the workspace, or in the
 * cache (`.dvc/cache`, or `cache.dir` of `.dvc/config`), in the layout of DVC 3 or of those before.
 *
 * Errors: MR_DVC_FORMAT for what is no such file, MR_DVC_MISSING where neither place has the bytes. Cost: one read of each file.
 */
export async function dvcFiles(path: string): Promise<DvcFile[]> {
  const outs = outsOf(path, await readFile(path, 'utf8'))
  const caches = await cachesOf(dirname(path))
  const files: DvcFile[] = []
  for (const { path: out, md5 } of outs) {
    const target = resolve(dirname(path), out)
    const entries = md5.endsWith('.dir') ? await folderEntries(path, md5, caches) : [{ relpath: '', md5 }]
    for (const entry of entries) files.push(await found(path, join(target, entry.relpath), entry.md5, caches))
  }
  return files
}

/** `outs` of a `.dvc` file, and of every stage of a `dvc.lock`. */
function outsOf(file: string, text: string): { path: string; md5: string }[] {
  const fault = (why: string) => new MillraceError('MR_DVC_FORMAT', { file, why })
  let read: { outs?: Out[]; wdir?: unknown; stages?: Record<string, { outs?: Out[] }> } | null
  try {
    read = parse(text)
  } catch (cause) {
    throw new MillraceError(
      'MR_DVC_FORMAT',
      { file, why: excerpt(String((cause as Error).message).split('\n')[0], 160) },
      { cause },
    )
  }
  if (typeof read !== 'object' || read === null) throw fault('it is no YAML mapping')
  const stages = Object.values(read.stages ?? {}).flatMap((stage) => stage?.outs ?? [])
  const outs = [...(Array.isArray(read.outs) ? read.outs : []), ...stages]
  if (outs.length === 0) throw fault('it tracks nothing: there are no outs')
  const wdir = typeof read.wdir === 'string' ? read.wdir : '.'
  return outs.map(({ path, md5, hash }) => {
    if (typeof path !== 'string') throw fault('one of its outs has no path')
    if (typeof md5 !== 'string' || !MD5.test(md5.replace(/\.dir$/, '')))
      throw fault(`${excerpt(path)} has no md5${hash === undefined ? '' : ` but ${excerpt(String(hash))}`}`)
    return { path: join(wdir, path), md5 }
  })
}

/** Folders where DVC may keep bytes, for the repository that a folder is in. */
async function cachesOf(folder: string): Promise<string[]> {
  for (let at = resolve(folder); ; at = dirname(at)) {
    if (existsSync(join(at, '.dvc'))) {
      const config = await Promise.all(
        ['config.local', 'config'].map((name) => readFile(join(at, '.dvc', name), 'utf8').catch(() => '')),
      )
      const dir = config
        .map((text) => /\[['"]?cache['"]?\][^[]*?^\s*dir\s*=\s*(.+?)\s*$/ms.exec(text)?.[1])
        .find(Boolean)
      const root =
        dir === undefined ? join(at, '.dvc', 'cache') : isAbsolute(dir) ? dir : resolve(at, '.dvc', dir)
      return [join(root, 'files', 'md5'), root]
    }
    if (dirname(at) === at) return []
  }
}

const inCache = (cache: string, md5: string): string => join(cache, md5.slice(0, 2), md5.slice(2))

async function folderEntries(
  file: string,
  md5: string,
  caches: readonly string[],
): Promise<{ relpath: string; md5: string }[]> {
  const path = caches.map((cache) => inCache(cache, md5)).find(existsSync)
  if (path === undefined)
    throw new MillraceError('MR_DVC_MISSING', { file, path: `the list of a folder`, md5 })
  const text = await readFile(path)
  const hash = createHash('md5').update(text).digest('hex')
  if (`${hash}.dir` !== md5) throw new MillraceError('MR_DVC_MISSING', { file, path, md5 })
  const entries = JSON.parse(text.toString()) as { relpath: string; md5: string }[]
  const isSafe = entries.every(
    ({ relpath, md5: each }) =>
      MD5.test(each) && !isAbsolute(relpath) && !relpath.split(/[/\\]/).includes('..'),
  )
  if (!isSafe)
    throw new MillraceError('MR_DVC_FORMAT', { file: path, why: 'it names paths outside its folder' })
  return entries
}

async function found(file: string, path: string, md5: string, caches: readonly string[]): Promise<DvcFile> {
  for (const at of [path, ...caches.map((cache) => inCache(cache, md5))])
    if ((await isFile(at)) && (await hashFile('md5', at)) === md5) return { path, md5, at }
  throw new MillraceError('MR_DVC_MISSING', { file, path, md5 })
}

const isFile = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isFile(),
    () => false,
  )
