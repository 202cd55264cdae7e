/** One shared pass: what every check asks of the rows goes into one query, and what has to be asked a second time into one more. */
import { toError } from '../core/errors.ts'
import { join, raw, type Sql } from '../expr/sql.ts'
import type { Duck } from './duck.ts'
import { isOutOfRoom } from './reader.ts'

/** What one check asks, or several that can be answered together: some aggregates over all rows, and what to do with their answers. */
export interface Question {
  /** The checks. */
  names: string[]
  aggregates: Sql[]
  /** Takes the answers, in order. What it returns is asked in the next pass. */
  take(answers: unknown[]): Question | undefined
  /** Asked in the next pass when this one cannot be answered. */
  otherwise?: Question
}

/** One pass over the rows. */
export interface Pass {
  /** Checks that it answered. */
  checks: number
  ms: number
}

/**
 * Asks until nothing is left to ask. A question that cannot be answered is put into `broken` with why; to find it, its pass is asked in halves.
 * Where all can be answered there are as many passes as the longest chain of questions: two at most.
 */
export async function askAll(
  duck: Duck,
  from: string,
  questions: readonly Question[],
  broken: Map<string, string>,
): Promise<Pass[]> {
  const passes: Pass[] = []
  for (let round = [...questions]; round.length > 0; ) {
    const next: Question[] = []
    await ask({ duck, from, broken, passes, next }, round)
    round = next
  }
  return passes
}

interface Asking {
  duck: Duck
  from: string
  broken: Map<string, string>
  passes: Pass[]
  next: Question[]
}

async function ask(asking: Asking, questions: Question[]): Promise<void> {
  const began = performance.now()
  try {
    const answers = await asking.duck.one<Record<string, unknown>>(queryOf(asking.from, questions))
    asking.passes.push({ checks: questions.flatMap((q) => q.names).length, ms: performance.now() - began })
    let at = 0
    for (const question of questions) {
      const own = question.aggregates.map(() => answers[`a${at++}`])
      const more = question.take(own)
      if (more) asking.next.push(more)
    }
  } catch (thrown) {
    await isolate(asking, questions, toError(thrown))
  }
}

async function isolate(asking: Asking, questions: Question[], error: Error): Promise<void> {
  if (isOutOfRoom(error)) throw error
  const [only, ...others] = questions
  if (others.length === 0) {
    if (only!.otherwise) asking.next.push(only!.otherwise)
    else for (const name of only!.names) asking.broken.set(name, error.message.split('\n')[0]!)
    return
  }
  const half = questions.length >> 1
  await ask(asking, questions.slice(0, half))
  await ask(asking, questions.slice(half))
}

function queryOf(from: string, questions: readonly Question[]): Sql {
  const aggregates = questions.flatMap((q) => q.aggregates)
  const list = aggregates.map(({ text, params }, i) => ({ text: `${text} AS a${i}`, params }))
  return join([raw('SELECT '), join(list, ', '), raw(` FROM ${from}`)], '')
}
