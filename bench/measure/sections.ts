/** A benchmark in sections: a folder of files whose default export is a `Section`. */
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { peersAsked } from '../peers/run.ts'

/** A section that takes many minutes has `export const isLong = true`, and runs only where it is named. */
export type Section = (options: { peers: boolean }) => void | Promise<void>

interface SectionFile {
  default: Section
  isLong?: boolean
}

/** Runs the sections of `bench/<bench>/` that the command line names, without names all but the long ones, one after another. Ends the process where it names another. */
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
    const { default: section, isLong } = (await import(`../${bench}/${name}.ts`)) as SectionFile
    if (isLong && asked.length === 0) {
      console.error(`• ${name} takes long: it runs when it is named`)
      continue
    }
    console.error(`• ${name}${peers ? ', with peers' : ''}`)
    await section({ peers })
  }
}
