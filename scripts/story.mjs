// Runs the TypeScript of examples/01-flights against the built package.
import { fileURLToPath } from 'node:url'
import { createJiti } from 'jiti'

const at = (path) => new URL(path, import.meta.url)
const runtime = await import(at('../dist/runtime.js').href)
const jiti = createJiti(import.meta.url, { virtualModules: { 'millrace/runtime': runtime } })
try {
  await jiti.import(fileURLToPath(at('../examples/01-flights/story.ts')))
} catch (error) {
  if (!runtime.isMillraceError(error)) throw error
  console.error(`\n${error.toString()}`)
  process.exit(1)
}
