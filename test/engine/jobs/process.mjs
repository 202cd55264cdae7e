// Another process on the same store: asks for the specs it is given and prints `ran` when they are done.
import { createJobs } from '../../../dist/engine/jobs/jobs.js'
import { openStore } from '../../../dist/store/open.js'

const { storeUrl, specs, workers } = JSON.parse(process.argv[2])
const clock = { now: Date.now }
const store = await openStore(storeUrl, { clock })
const tasksModule = new URL('./tasks.mjs', import.meta.url)
const jobs = createJobs({ store, storeUrl, tasksModule, workers, clock, memoryMb: 512, queryThreads: 1 })
const outcomes = await jobs.run(specs)
console.log(JSON.stringify({ ran: outcomes.filter((one) => !one.cached).length }))
await jobs.close()
await store.close()
