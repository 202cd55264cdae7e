/** A helper thread of a crew: runs the kernels it is told to until it is told to end. */
import { workerData } from 'node:worker_threads'
import { ARGUMENTS_AT, awaitChange, CONTROL, type CrewData, type Kernels, QUIT } from './crew.ts'
import { instantiate } from './wasm.ts'

const { module, memory, header, thread, names } = workerData as CrewData
const control = new Int32Array(memory.buffer, 0, ARGUMENTS_AT / 4)
const args = new Float64Array(memory.buffer, ARGUMENTS_AT, 8)

/** A failure is noted for the calling thread, which alone can tell anybody. */
function attempt(work: () => void): void {
  try {
    work()
  } catch {
    Atomics.store(control, CONTROL.failed, 1)
  }
}

function signal(word: number, by: number): void {
  Atomics.add(control, word, by)
  Atomics.notify(control, word)
}

function serve(kernels: Kernels): void {
  let epoch = 0
  for (;;) {
    awaitChange(control, CONTROL.epoch, epoch)
    epoch = Atomics.load(control, CONTROL.epoch)
    const kernel = Atomics.load(control, CONTROL.kernel)
    if (kernel === QUIT) break
    attempt(() => kernels[names[kernel]](thread, ...args))
    signal(CONTROL.pending, -1)
  }
}

const kernels = instantiate(module, memory)
kernels.configure(header)
signal(CONTROL.ready, 1)
serve(kernels)
signal(CONTROL.pending, -1)
