import { randomUUID } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Step } from '../step.ts'
import { entered } from './enter.ts'

/** Bytes of Arrow IPC, a stream or a file. */
export function arrowStep(bytes: Uint8Array): Step {
  const step: Step = {
    verb: 'arrow',
    async write(scope, conditions) {
      const path = join(scope.scratch, `${randomUUID()}.arrow`)
      const isNew = !scope.made.has(step)
      if (isNew) await writeFile(path, bytes)
      const { staged } = await import('./staged.ts')
      const relation = await staged(scope, { paths: [path], format: 'arrow', step })
      if (isNew) await rm(path, { force: true })
      scope.sources.push({ name: `${bytes.length} bytes of Arrow`, kind: 'memory', files: [], conditions })
      return await entered(scope, relation)
    },
  }
  return step
}
