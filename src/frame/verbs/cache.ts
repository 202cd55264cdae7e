import { quoted, sql } from '../../expr/sql.ts'
import { madeOnce } from '../sources/memory.ts'
import { clean, type FrameColumn, passed, type Scope, type Step, settled } from '../step.ts'

/** Keeps the rows in the engine at first use, spilled where they are more than its memory, until the session is closed. */
export function cache(from: Step): Step {
  const known = new WeakMap<Scope['made'], readonly FrameColumn[]>()
  const step: Step = {
    verb: 'cache',
    async write(scope) {
      const body = await madeOnce(scope, step, async (table) => {
        const input = await from.write({ ...scope, sources: [] }, [])
        known.set(scope.made, input.columns.map(clean))
        const rows = sql`SELECT ${input.columns.map(passed).join(', ')} FROM (${settled(input)})`
        await scope.tables.exec(sql`CREATE TABLE ${quoted(table)} AS ${rows}`, scope.signal)
      })
      scope.sources.push({ name: 'cached rows', kind: 'memory', files: [], conditions: [] })
      return { body, columns: known.get(scope.made)! }
    },
  }
  return step
}
