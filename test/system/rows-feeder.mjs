// Sends batches to a stream and seals them meanwhile, saying each that was acknowledged: `node rows-feeder.mjs <dist> <store> <first batch> <batches>`. To be killed.
const [dist, dir, first, batches] = process.argv.slice(2)
const load = (file) => import(new URL(file, `file://${dist}/`).href)
const { openStore } = await load('store/open.js')
const { RowStreams } = await load('data/index.js')
const { createImportTask } = await load('data/index.js')
const { runImport } = await load('data/import-run.js')
const { openDuck } = await load('data/duck.js')
const { digestOf } = await load('core/digest.js')

const clock = { now: () => Date.now() }
const store = await openStore({ dir }, { clock })
const task = createImportTask({ importMemoryMb: 600, importStallMs: 60_000 }, async (job) =>
  runImport(await openDuck(job.folder, 300), job, () => undefined),
)
const never = () => Promise.reject(new Error('not asked for'))
const jobs = {
  run: async ([spec]) => {
    const context = { store, spec, specDigest: digestOf(spec), signal: new AbortController().signal }
    const { outputs } = await task.run({ ...context, progress: () => undefined, query: never, infer: never })
    return [{ spec: context.specDigest, record: { outputs }, cached: false }]
  },
}
const def = {
  kind: 'DatasetDef',
  name: 'd',
  source: [],
  key: [],
  checks: [],
  exclude: [],
  read: { missing: [] },
  parts: { by: 'rows', rowsMax: 100_000 },
  stream: { sealRows: 300, sealEveryMs: 100, newColumns: 'refuse' },
}
const streams = new RowStreams({ store, jobs, clock }, [def], {
  onFault: (error) => process.stderr.write(`${error.stack}\n`),
})
streams.start()

/** The same rows for the same batch, however often it is sent. */
const rowsOf = (batch) =>
  Array.from({ length: 1 + ((batch * 7919) % 120) }, (_, i) => ({
    id: batch * 1000 + i,
    text: `r${batch}`,
    x: i / 8,
  }))

async function send(batch) {
  const body = Buffer.from(JSON.stringify(rowsOf(batch)))
  await streams.take('d', { body, format: 'json', batch: `b-${batch}` })
  process.stdout.write(`${batch}\n`)
}

for (let batch = Number(first); batch < Number(batches); batch += 2) {
  await Promise.all([send(batch), send(batch + 1)])
  await new Promise((resolve) => setTimeout(resolve, 5))
}
await streams.sealDue({ all: true })
await streams.close()
await store.close()
