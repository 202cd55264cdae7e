/**
 * Visits everything that is reached from some places, each once, at most `atOnce` at a time. A visit gives what is to be visited next, with who names it. The first
 * failure is thrown after the visits under way have ended. Cost: memory for what is reached.
 */
export async function crawl<T>(
  roots: Iterable<T>,
  atOnce: number,
  visit: (at: T, by: T | null) => Promise<Iterable<T>>,
): Promise<void> {
  const seen = new Set<T>()
  const waiting: { at: T; by: T | null }[] = []
  const add = (items: Iterable<T>, by: T | null) => {
    for (const at of items) {
      if (seen.has(at)) continue
      seen.add(at)
      waiting.push({ at, by })
    }
  }
  add(roots, null)
  let failure: { thrown: unknown } | undefined
  let running = 0
  await new Promise<void>((resolve) => {
    const next = () => {
      while (running < atOnce && waiting.length > 0 && failure === undefined) begin(waiting.pop()!)
      if (running === 0) resolve()
    }
    const begin = ({ at, by }: { at: T; by: T | null }) => {
      running++
      visit(at, by)
        .then(
          (found) => add(found, at),
          (thrown) => {
            failure ??= { thrown }
          },
        )
        .then(() => {
          running--
          next()
        })
    }
    next()
  })
  if (failure !== undefined) throw (failure as { thrown: unknown }).thrown
}
