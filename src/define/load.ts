/** Reads `millrace.config.ts` of a folder: TypeScript or JavaScript, run once, its default export checked. */
import { existsSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { excerpt, isMillraceError, MillraceError, toError } from '../core/errors.ts'
import { assertProject } from './check.ts'
import type { ProjectDef } from './types.ts'

export const CONFIG_NAMES = ['millrace.config.ts', 'millrace.config.js', 'millrace.config.mjs'] as const

export interface LoadedProject {
  project: ProjectDef
  /** Folder of the config: sources and state are relative to it. */
  folder: string
  /** The config file itself. */
  path: string
}

/**
 * Loads and checks the project at `path`: a folder with a config, or a config file. `millrace` and `millrace/metrics` in it mean this very package,
 * whether or not it is installed there.
 * Errors: MR_DEFINE_NO_CONFIG, MR_DEFINE_SYNTAX, MR_DEFINE_CONFIG (it threw while it ran), MR_DEFINE_NO_PROJECT, and those of `checkProject`;
 * coded errors that the config's own calls throw pass unchanged.
 */
export async function loadProject(path: string): Promise<LoadedProject> {
  const file = findConfig(resolve(path))
  const project = projectOf(file, await run(file))
  assertProject(project)
  return { project, folder: dirname(file), path: file }
}

function findConfig(path: string): string {
  if (existsSync(path) && statSync(path).isFile()) return path
  const found = CONFIG_NAMES.map((name) => join(path, name)).find((file) => existsSync(file))
  if (found === undefined)
    throw new MillraceError('MR_DEFINE_NO_CONFIG', { folder: path, names: [...CONFIG_NAMES] })
  return found
}

async function run(file: string): Promise<unknown> {
  const { createJiti } = await import('jiti')
  const jiti = createJiti(import.meta.url, {
    virtualModules: await ownEntries(),
    fsCache: compiledCache(dirname(file)),
    moduleCache: false,
  })
  try {
    return await jiti.import(file)
  } catch (thrown) {
    throw asConfigError(file, toError(thrown))
  }
}

/**
 * Where configs that were compiled are kept, by what they held, so that the compiler is not loaded for one that is as it was. Only where the project has a cache:
 * to read a config makes no folder.
 */
function compiledCache(folder: string): string | false {
  const cache = join(folder, '.millrace', 'cache')
  return existsSync(cache) && join(cache, 'config')
}

/** This package's own entries, as they run here (dist/ or src/): the config shares its classes with the code that reads it. */
async function ownEntries(): Promise<Record<string, unknown>> {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const entry = (path: string): Promise<unknown> =>
    import(/* @vite-ignore */ new URL(`${path}.${extension}`, import.meta.url).href)
  const [millrace, metrics] = await Promise.all([entry('../index'), entry('./metrics')])
  return { millrace, 'millrace/metrics': metrics }
}

function asConfigError(file: string, error: Error): Error {
  if (isMillraceError(error)) return error
  const place = syntaxPlace(error)
  if (place !== undefined) return new MillraceError('MR_DEFINE_SYNTAX', { file, ...place }, { cause: error })
  const at = lineIn(file, error)
  const why = `${error.name}: ${excerpt(firstLine(error.message), 200)}${at === undefined ? '' : ` (line ${at})`}`
  return new MillraceError('MR_DEFINE_CONFIG', { file, why }, { cause: error })
}

const firstLine = (text: string): string => text.split('\n', 1)[0]!

/** Where the parser stopped: jiti's says `ParseError: why`, then ` file:line:column`. */
function syntaxPlace(error: Error): { line?: number; column?: number; why: string } | undefined {
  const parsed = /^ParseError: ([^\n]*)\n[^\n]*:(\d+):(\d+)/.exec(error.message)
  if (parsed !== null) return { why: parsed[1]!.trim(), line: Number(parsed[2]), column: Number(parsed[3]) }
  return error instanceof SyntaxError ? { why: firstLine(error.message) } : undefined
}

function lineIn(file: string, error: Error): number | undefined {
  const at = error.stack?.split('\n').find((line) => line.includes(file))
  const match = at === undefined ? null : /:(\d+):\d+\)?$/.exec(at)
  return match === null ? undefined : Number(match[1])
}

function projectOf(file: string, module: unknown): ProjectDef {
  const exported = isObject(module) && 'default' in module ? module.default : undefined
  if (isObject(exported) && exported.kind === 'ProjectDef') return exported as unknown as ProjectDef
  throw new MillraceError('MR_DEFINE_NO_PROJECT', { file, got: describe(exported) })
}

function describe(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (typeof value === 'function') return 'a function'
  return isObject(value)
    ? `an object${typeof value.kind === 'string' ? ` of kind ${value.kind}` : ''}`
    : excerpt(JSON.stringify(value))
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null
