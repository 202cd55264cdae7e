/** `millrace doctor`: what is needed is here, and the store is sound. */
import { accessSync, constants, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { availableParallelism, freemem, totalmem } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { isMillraceError, toError } from '../../core/errors.ts'
import type { LoadedProject } from '../../define/load.ts'
import type { Answer, Cli } from '../cli.ts'
import { EXIT } from '../exit.ts'
import { bytes, count, plural } from '../format.ts'
import type { Options } from '../handler.ts'
import { countOption } from '../options.ts'
import { pad } from '../table.ts'

interface Checkup {
  name: string
  state: 'good' | 'note' | 'bad'
  text: string
  fix?: string
}

const DISK_LOW = 1e9
const DISK_OUT = 100e6

export async function doctor(cli: Cli, _args: readonly unknown[], options: Options): Promise<Answer> {
  const checks: Checkup[] = [nodeCheck(), machineCheck()]
  const loaded = await projectCheck(cli, checks)
  const stateDir = resolve(cli.options.state ?? join(loaded?.folder ?? cli.folder, '.millrace'))
  checks.push(await diskCheck(stateDir), permissionCheck(stateDir))
  checks.push(await engineCheck(), onnxCheck())
  const port = countOption(options, 'port', loaded?.project.serve.port ?? 7300, 0, 65_535)
  checks.push(await portCheck(loaded?.project.serve.host ?? '127.0.0.1', port))
  if (loaded && existsSync(stateDir)) checks.push(...(await storeChecks(cli)))
  const bad = checks.filter((c) => c.state === 'bad').length
  return {
    value: { healthy: bad === 0, checks },
    lines: linesOf(cli, checks, bad),
    exit: bad === 0 ? EXIT.done : EXIT.failed,
  }
}

function linesOf({ paint }: Cli, checks: readonly Checkup[], bad: number): string[] {
  const marks = { good: paint.good('✓'), note: paint.warn('·'), bad: paint.bad('✗') }
  return [
    '',
    ...checks.flatMap((c) => [
      `  ${marks[c.state]} ${paint.bold(pad(c.name, 12))}  ${c.text}`,
      ...(c.fix ? [`    ${pad('', 12)}  ${paint.dim('fix:')} ${c.fix}`] : []),
    ]),
    '',
    bad === 0
      ? `  ${paint.good('●')} All is well.`
      : `  ${paint.bad('●')} ${plural(bad, 'thing needs', 'things need')} you.`,
    '',
  ]
}

function nodeCheck(): Checkup {
  const [major, minor] = process.versions.node.split('.').map(Number)
  const isNew = major > 20 || (major === 20 && minor >= 19)
  const text = `${process.versions.node} on ${process.platform} ${process.arch}`
  return {
    name: 'Node.js',
    state: isNew ? 'good' : 'bad',
    text,
    ...(isNew ? {} : { fix: 'install Node 20.19 or newer' }),
  }
}

function machineCheck(): Checkup {
  const text = `${plural(availableParallelism(), 'core')}, ${bytes(freemem())} of ${bytes(totalmem())} memory free`
  return { name: 'machine', state: totalmem() < 2e9 ? 'note' : 'good', text }
}

async function projectCheck(cli: Cli, checks: Checkup[]): Promise<LoadedProject | undefined> {
  try {
    const loaded = await cli.load()
    const { name, datasets, models } = loaded.project
    checks.push({
      name: 'project',
      state: 'good',
      text: `${name}: ${plural(datasets.length, 'dataset')}, ${plural(models.length, 'model')}`,
    })
    return loaded
  } catch (thrown) {
    if (!isMillraceError(thrown)) throw thrown
    checks.push({ name: 'project', state: 'bad', text: thrown.message, fix: thrown.fix })
    return undefined
  }
}

/** The nearest folder above a path that exists. */
function standing(path: string): string {
  return existsSync(path) ? path : standing(dirname(path))
}

async function diskCheck(stateDir: string): Promise<Checkup> {
  const { bavail, bsize } = await statfs(standing(stateDir))
  const free = bavail * bsize
  const state = free < DISK_OUT ? 'bad' : free < DISK_LOW ? 'note' : 'good'
  return {
    name: 'disk',
    state,
    text: `${bytes(free)} free`,
    ...(state === 'bad' ? { fix: `free some space on the disk of ${stateDir}` } : {}),
  }
}

function permissionCheck(stateDir: string): Checkup {
  const folder = standing(stateDir)
  try {
    accessSync(folder, constants.W_OK)
    const probe = join(folder, `.millrace-doctor-${process.pid}`)
    mkdirSync(probe)
    writeFileSync(join(probe, 'x'), '')
    rmSync(probe, { recursive: true })
    return { name: 'permissions', state: 'good', text: `${folder} can be written` }
  } catch (thrown) {
    return {
      name: 'permissions',
      state: 'bad',
      text: `${folder} cannot be written: ${toError(thrown).message}`,
      fix: `make ${folder} writable for this user, or use --state <folder>`,
    }
  }
}

async function engineCheck(): Promise<Checkup> {
  try {
    const { openQuery } = await import('../../engine/open.ts')
    const query = await openQuery('duckdb:', { memoryMb: 128, threads: 1 })
    const [row] = await query.rows<{ v: string }>({ text: 'SELECT version() AS v', params: [] })
    await query.close()
    return { name: 'engine', state: 'good', text: `DuckDB ${row.v.replace(/^v/, '')} answers` }
  } catch (thrown) {
    return {
      name: 'engine',
      state: 'bad',
      text: `DuckDB does not start: ${toError(thrown).message}`,
      fix: 'install again: npm install',
    }
  }
}

function onnxCheck(): Checkup {
  try {
    const file = createRequire(import.meta.url).resolve('onnxruntime-node/package.json')
    const { version } = createRequire(import.meta.url)(file) as { version: string }
    return { name: 'ONNX', state: 'good', text: `onnxruntime-node ${version}` }
  } catch {
    return {
      name: 'ONNX',
      state: 'note',
      text: 'onnxruntime-node is not installed; only needed for ONNX models: npm install onnxruntime-node',
    }
  }
}

function portCheck(host: string, port: number): Promise<Checkup> {
  return new Promise((done) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE'
      done({
        name: 'port',
        state: taken ? 'note' : 'bad',
        text: taken
          ? `${port} on ${host} is in use, perhaps by a running \`millrace up\``
          : `${port} on ${host} cannot be used: ${error.message}`,
        ...(taken ? {} : { fix: 'choose another: millrace up --port 8080' }),
      })
    })
    server.listen({ port, host }, () =>
      server.close(() => done({ name: 'port', state: 'good', text: `${port} on ${host} is free` })),
    )
  })
}

async function storeChecks(cli: Cli): Promise<Checkup[]> {
  try {
    const { store } = await cli.open()
    const broken = await store.meta.verifyJournal()
    const [last] = await store.meta.events({ newest: true, limit: 1 })
    const size = await sizeOf(store)
    const checks: Checkup[] = [
      { name: 'store', state: 'good', text: `${plural(size.objects, 'object')}, ${bytes(size.bytes)}` },
      broken === undefined
        ? {
            name: 'journal',
            state: 'good',
            text: `${plural(last?.seq ?? 0, 'event')}, the chain of hashes is whole`,
          }
        : {
            name: 'journal',
            state: 'bad',
            text: `event ${count(broken)} does not fit the chain: the history was changed or damaged`,
            fix: `restore ${cli.options.state ?? '.millrace'} from a copy made before event ${broken}`,
          },
    ]
    for (const { path, detail } of store.repaired)
      checks.push({ name: 'put right', state: 'note', text: `${path}: ${detail}` })
    return checks
  } catch (thrown) {
    if (!isMillraceError(thrown)) throw thrown
    return [{ name: 'store', state: 'bad', text: thrown.message, fix: thrown.fix }]
  }
}

async function sizeOf(
  store: Awaited<ReturnType<Cli['open']>>['store'],
): Promise<{ objects: number; bytes: number }> {
  const size = { objects: 0, bytes: 0 }
  for await (const object of store.objects.list()) {
    size.objects++
    size.bytes += object.bytes
  }
  return size
}
