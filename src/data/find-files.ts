/** Files that names and patterns stand for. */
import { existsSync, statSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { isAbsolute, join, relative, resolve, sep } from 'node:path'
import { shapeOf } from './glob.ts'

/** Files that names or globs stand for, each once, by path; patterns are as of `shapeOf`. */
export async function findFiles(folder: string, patterns: readonly string[]): Promise<string[]> {
  const found = new Set<string>()
  for (const pattern of patterns) for (const path of await expand(folder, pattern)) found.add(path)
  return [...found].sort()
}

async function expand(folder: string, pattern: string): Promise<string[]> {
  const path = isAbsolute(pattern) ? pattern : resolve(folder, pattern)
  if (existsSync(path)) return statSync(path).isFile() ? [path] : []
  const parts = path.split(sep)
  const at = parts.findIndex((part) => /[*?]/.test(part))
  if (at < 0) return []
  const root = parts.slice(0, at).join(sep) || sep
  if (!existsSync(root)) return []
  const shape = shapeOf(parts.slice(at).join('/'))
  const entries = await readdir(root, { recursive: at < parts.length - 1, withFileTypes: true })
  return entries
    .filter((e) => e.isFile() || e.isSymbolicLink())
    .map((e) => join(e.parentPath, e.name))
    .filter((file) => shape.test(relative(root, file).split(sep).join('/')) && statSync(file).isFile())
}
