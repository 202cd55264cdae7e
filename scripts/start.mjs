// `npm start`: builds what is missing and runs the demo, examples/01-flights. Arguments go to the story, e.g. `npm start -- --once`.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { build } from './build.mjs'

const at = (path) => fileURLToPath(new URL(path, import.meta.url))
build({ say: (text) => console.log(`• ${text}`) })
// A process of its own, so that the pool of threads has its size before anything uses it.
const story = spawn(
  process.execPath,
  [at('./run-ts.mjs'), at('../examples/01-flights/story.ts'), ...process.argv.slice(2)],
  {
    stdio: 'inherit',
    env: { ...process.env, UV_THREADPOOL_SIZE: process.env.UV_THREADPOOL_SIZE ?? '12' },
  },
)
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => story.kill(signal))
story.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)))
