import { quoted, raw, sql } from '../../expr/sql.ts'
import { frameType } from '../frame-types.ts'
import type { FrameColumn, Scope, Written } from '../step.ts'

/** A relation as a frame's first step: types that a frame has not become the nearest that it has, others are read as they stand. */
export async function entered(
  scope: Scope,
  relation: Written['body'],
  { isClean = false }: { isClean?: boolean } = {},
): Promise<Written> {
  const found = await scope.tables.describe(relation, scope.signal)
  const columns = found.map(({ name, type }): FrameColumn => {
    const own = frameType(type)
    return {
      name,
      ...own,
      ...(own.type === 'float' && !isClean && !/^(DECIMAL|U?HUGEINT|UBIGINT)/.test(type) && { mayNan: true }),
    }
  })
  if (found.every(({ type }, i) => columns[i]!.duck === type)) return { body: relation, columns }
  const items = found.map(({ name, type }, i) =>
    type === columns[i]!.duck
      ? quoted(name)
      : `CAST(${quoted(name)} AS ${columns[i]!.duck}) AS ${quoted(name)}`,
  )
  return { body: sql`SELECT ${raw(items.join(', '))} FROM (${relation})`, columns }
}
