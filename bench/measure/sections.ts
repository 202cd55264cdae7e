/** A benchmark in sections: a folder of files whose default export is a `Section`. */
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { peersAsked } from '../peers/run.ts'

export type Section = (options: { peers: boolean }) => void | Promise<void>

/** Runs the sections of `bench/<bench>/` that the command line names, all without names, one after another. Ends the process where it names another. */
export async function runSections(bench: string): Promise<void> {
  const folder = fileURLToPath(new URL(`../${bench}/`, import.meta.url))
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
    const { default: section } = (await import(`../${bench}/${name}.ts`)) as { default: Section }
    await section({ peers })
  }
}
