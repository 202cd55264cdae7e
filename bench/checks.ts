/**
 * Data that is tested: labels, worth of rows, alone and beside peers.
 *
 *   npm run bench -- checks [section …] [--peers] [--json]
 *
 * A section is a file of bench/checks/ whose default export is a `Section`, as of bench/train.ts. Times are CPU seconds.
 */
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { peersAsked } from './peers/run.ts'

export type Section = (options: { peers: boolean }) => void | Promise<void>

const folder = fileURLToPath(new URL('./checks/', import.meta.url))
const known = readdirSync(folder).flatMap((file) => /^([a-z0-9-]+)\.ts$/.exec(file)?.[1] ?? [])
const asked = process.argv.slice(2).filter((word) => !word.startsWith('-'))
const unknown = asked.filter((name) => !known.includes(name))
if (unknown.length > 0) {
  console.error(`no section ${unknown.join(', ')}; there are ${known.join(', ')}`)
  process.exit(2)
}
const peers = peersAsked()
for (const name of asked.length > 0 ? asked : known) {
  console.error(`• ${name}${peers ? ', with peers' : ''}`)
  const { default: section } = (await import(`./checks/${name}.ts`)) as { default: Section }
  await section({ peers })
}
