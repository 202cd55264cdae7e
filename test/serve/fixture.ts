/** A store with released models, a server on it, and what a test needs to ask it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { refs } from '../../src/core/names.ts'
import type {
  Digest,
  ModelBundle,
  ModelTask,
  ModelVersion,
  Release,
  Route,
  SignatureField,
} from '../../src/core/records.ts'
import { assemblePredictor } from '../../src/serve/assemble.ts'
import { createServer, type Server, type ServerOptions } from '../../src/serve/server.ts'
import { openStore } from '../../src/store/open.ts'
import type { Store } from '../../src/store/ports.ts'

export const CLOCK = { now: () => Date.now() }
const NONE = `sha256:${'0'.repeat(64)}` as Digest

export const INPUTS: SignatureField[] = [
  { name: 'hour', type: 'int', nullable: true },
  { name: 'distance', type: 'float', nullable: true },
  { name: 'origin', type: 'string', nullable: false },
]

export function versionRecord(model: string, graph: Digest, over: Partial<ModelVersion> = {}): ModelVersion {
  return {
    kind: 'ModelVersion',
    model,
    task: 'binary' as ModelTask,
    graph,
    format: 'linear',
    features: NONE,
    featureInfo: INPUTS.map(({ name }) => ({
      name,
      type: 'number',
      reference: { kind: 'numeric', edges: [0, 1], counts: [0], nulls: 0 },
    })),
    signature: { inputs: INPUTS, outputs: [{ name: 'probability', type: 'float', description: 'P(late)' }] },
    trainedOn: { dataset: 'flights', version: NONE, rows: 10 },
    run: NONE,
    card: {
      metrics: {},
      baseline: {},
      importance: [],
      featureAuc: {},
      scores: { kind: 'numeric', edges: [0, 1], counts: [0], nulls: 0 },
      calibration: [],
      baseRate: 0.2,
      bytes: 10,
      notes: [],
    },
    createdAt: 1,
    ...over,
  }
}

/** A model that always answers one number, kept as an object so that it can be damaged. */
export async function putConstant(store: Store, model: string, output: number): Promise<Digest> {
  const graph = await store.objects.put(Buffer.from(JSON.stringify({ model, output })))
  return await store.putRecord(versionRecord(model, graph))
}

/** Reads what `putConstant` wrote, through the store, so that damage shows. */
export function loadConstant(store: Store) {
  return async (digest: Digest) => {
    const version = await store.getRecord<ModelVersion>(digest, 'ModelVersion')
    const bytes = await store.objects.get(version.graph)
    const { output } = JSON.parse(Buffer.from(bytes).toString()) as { output: number }
    return assemblePredictor({
      digest,
      version,
      inputs: version.signature.inputs,
      bytes: bytes.length,
      coerce: (row) => row,
      featureNames: version.featureInfo.map((feature) => feature.name),
      features: () => undefined,
      score: (_, nRows) => new Float64Array(nRows).fill(output),
    })
  }
}

export async function putBundle(
  store: Store,
  model: string,
  version: number,
  parent: Digest,
  members: Record<string, Digest> = {},
  held: Record<string, string> = {},
): Promise<Digest> {
  const each = Object.keys(members).length + Object.keys(held).length > 0 ? { each: 'origin' } : {}
  const bundle: ModelBundle = {
    kind: 'ModelBundle',
    model,
    parent,
    ...each,
    members,
    held,
    version,
    createdAt: 1,
    reason: 'test',
  }
  return await store.putRecord(bundle)
}

export const route = (bundle: Digest, version: number, role: Route['role'] = 'live', weight = 1): Route => ({
  bundle,
  version,
  role,
  weight,
})

/** Moves the live ref of a model to a release with these routes. */
export async function release(
  store: Store,
  model: string,
  routes: Route[],
  over: Partial<Release> = {},
): Promise<Digest> {
  const record: Release = {
    kind: 'Release',
    model,
    state: 'live',
    routes,
    step: 0,
    steps: [],
    salt: 'salt',
    findings: [],
    reason: 'test',
    at: 1,
    ...over,
  }
  const digest = await store.putRecord(record)
  await move(store, model, digest)
  return digest
}

export async function move(store: Store, model: string, to: Digest): Promise<void> {
  const event = { type: 'release.live', subject: `models/${model}`, actor: 'test', reason: 'test', data: {} }
  await store.meta.commit({ moves: [{ name: refs.live(model), to }], event })
}

export interface Fixture {
  dir: string
  store: Store
  server: Server
  url: string
  post: (path: string, body: unknown, headers?: Record<string, string>) => Promise<Answer>
  get: (path: string, headers?: Record<string, string>) => Promise<Answer>
  close: () => Promise<void>
}

export interface Answer {
  status: number
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape are looked into
  body: any
}

export async function withStore(): Promise<{ dir: string; store: Store; drop: () => Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-serve-'))
  const store = await openStore({ dir: join(dir, 'state') }, { clock: CLOCK })
  const drop = async () => {
    await store.close()
    await rm(dir, { recursive: true, force: true })
  }
  return { dir, store, drop }
}

/** A listening server over a new store that `fill` has filled. */
export async function serving(
  fill: (store: Store) => Promise<unknown>,
  options: Partial<ServerOptions> = {},
): Promise<Fixture> {
  const { dir, store, drop } = await withStore()
  await fill(store)
  const server = createServer({ store, clock: CLOCK, port: 0, load: loadConstant(store), ...options })
  const url = await server.listen()
  const ask = async (path: string, init: RequestInit): Promise<Answer> => {
    const answer = await fetch(url + path, init)
    const text = await answer.text()
    const isJson = /json/.test(answer.headers.get('content-type') ?? '')
    return { status: answer.status, headers: answer.headers, body: isJson ? JSON.parse(text) : text }
  }
  return {
    dir,
    store,
    server,
    url,
    post: (path, body, headers = {}) => {
      const text = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body)
      return ask(path, {
        method: 'POST',
        body: text as string,
        headers: { 'content-type': 'application/json', ...headers },
      })
    },
    get: (path, headers = {}) => ask(path, { headers }),
    close: async () => {
      await server.close()
      await drop()
    },
  }
}

/** Every record of a stream, parsed. */
export async function logged<B>(store: Store, stream: string): Promise<B[]> {
  const blocks: B[] = []
  for await (const batch of store.log.read(stream))
    blocks.push(...batch.records.map((r) => JSON.parse(r) as B))
  return blocks
}
