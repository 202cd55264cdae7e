// Runs a TypeScript file of this repository (the demo, a benchmark) against the built package: `node scripts/run-ts.mjs <file> [arguments]`.
import { resolve } from 'node:path'
import { createJiti } from 'jiti'

const entry = (path) => import(new URL(`../dist/${path}`, import.meta.url).href)
const [millrace, runtime, metrics, stats, frame] = await Promise.all(
  ['index.js', 'runtime.js', 'define/metrics.js', 'stats/index.js', 'frame/index.js'].map(entry),
)
const [file] = process.argv.splice(2, 1)
const jiti = createJiti(import.meta.url, {
  virtualModules: {
    millrace,
    'millrace/runtime': runtime,
    'millrace/metrics': metrics,
    'millrace/stats': stats,
    'millrace/frame': frame,
  },
})
try {
  await jiti.import(resolve(file))
} catch (error) {
  if (!runtime.isMillraceError(error)) throw error
  console.error(`\n${error.toString()}`)
  process.exit(1)
}
