/** The priority of one thread: the others of its process keep theirs. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { workerUrl } from '../../src/engine/worker-url.ts'

/** Of each thread of this process, by /proc: the 19th field. */
const nicenesses = () =>
  readdirSync('/proc/self/task').map((tid) => {
    const stat = readFileSync(`/proc/self/task/${tid}/stat`, 'utf8')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16])
  })

test.skipIf(!existsSync('/proc/thread-self'))(
  'a thread that gives way is nice to the others, which stay as they are',
  async () => {
    const before = nicenesses().filter((nice) => nice > 0).length
    const url = workerUrl(new URL('../../src/engine/thread-priority.ts', import.meta.url))
    const code = `import(${JSON.stringify(url.href)}).then(({ giveWay }) => { giveWay(); require('node:worker_threads').parentPort.postMessage('gave'); setInterval(() => {}, 1000) })`
    const worker = new Worker(code, { eval: true })
    try {
      await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
      expect(nicenesses().filter((nice) => nice > 0).length).toBe(before + 1)
      expect(readFileSync('/proc/thread-self/stat', 'utf8').split(') ')[1].split(' ')[16]).toBe('0')
    } finally {
      await worker.terminate()
    }
  },
)
