import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** `unit` shares one module graph per worker for speed; `system` starts processes, servers and browsers, so each file stands alone. */
export default defineConfig({
  resolve: {
    alias: [
      { find: /^millrace$/, replacement: at('./src/index.ts') },
      { find: /^millrace\/metrics$/, replacement: at('./src/define/metrics.ts') },
      { find: /^millrace\/client$/, replacement: at('./src/client/index.ts') },
      { find: /^millrace\/runtime$/, replacement: at('./src/runtime.ts') },
    ],
  },
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/system/**'],
          isolate: false,
          // one a core: by itself vitest leaves one idle, which on two cores is half of them
          maxWorkers: availableParallelism(),
          sequence: { groupOrder: 0 },
          testTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'system',
          include: ['test/system/**/*.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
