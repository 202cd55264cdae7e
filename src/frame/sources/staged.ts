/** Files that the engine does not read itself: our readers give their rows to a throw-away engine, which writes them as Parquet beside what the frame spills. */
import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { stageArrow } from '../../data/arrow/stage.ts'
import { type Duck, literal, openDuck } from '../../data/duck.ts'
import { stageOrc } from '../../data/orc/stage.ts'
import type { Sql } from '../../expr/sql.ts'
import { type Scope, type Step, setOnce } from '../step.ts'

const MEMORY_MB = 512

const STAGES = { orc: stageOrc, arrow: stageArrow } as const
export type StagedFormat = keyof typeof STAGES

/** Each file is read once while the engine is open. Errors: MR_DATA_UNREADABLE and those of the file system. */
export async function staged(
  scope: Scope,
  { paths, format, step }: { paths: readonly string[]; format: StagedFormat; step: Step },
): Promise<Sql> {
  return await setOnce(scope.made, step, async () => {
    const files: string[] = []
    for (const path of paths) files.push(await asParquet(scope.scratch, path, STAGES[format]))
    const list = files.map(() => '?').join(', ')
    return { text: `SELECT * FROM read_parquet([${list}], union_by_name = true)`, params: files }
  })
}

async function asParquet(
  scratch: string,
  path: string,
  stage: (duck: Duck, from: { path: string; name: string }) => Promise<string>,
): Promise<string> {
  const name = `staged-${randomUUID()}`
  const spill = join(scratch, name)
  await mkdir(spill)
  const duck = await openDuck(spill, MEMORY_MB)
  try {
    const table = await stage(duck, { path, name: path })
    const file = join(scratch, `${name}.parquet`)
    await duck.run(`COPY (SELECT * FROM ${table}) TO ${literal(file)} (FORMAT parquet, COMPRESSION zstd)`)
    return file
  } finally {
    duck.close()
    await rm(spill, { recursive: true, force: true })
  }
}
