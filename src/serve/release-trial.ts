/**
 * What a release must do before it answers: the models that would answer are loaded, and asked once with a plausible row, so that no request waits for them or meets what a
 * person would have seen at the first look.
 */
import { isMillraceError, MillraceError } from '../core/errors.ts'
import type { ColumnType, Digest } from '../core/records.ts'
import type { ModelCache } from './model-cache.ts'
import type { Predictor, RawRow } from './predictor.ts'
import type { LiveRelease, RoutedBundle } from './router.ts'
import { answeringRoutes } from './split.ts'

/** Members of a family that are made ready before a release answers: those of the release before that are in use, up to so many. */
const MEMBERS_MAX = 64

const PLAUSIBLE: Record<ColumnType, RawRow[string]> = {
  bool: false,
  int: 1,
  float: 1,
  string: 'a',
  time: '2001-01-01T00:00:00Z',
  date: '2001-01-01',
  json: {},
}

/**
 * Resolves when every model that would answer is held and fit. A version that does not answer the row though the one before does is not. Errors: those of the load,
 * MR_SERVE_UNFIT.
 */
export async function tryRelease(
  cache: ModelCache<Predictor>,
  next: LiveRelease,
  before: LiveRelease,
): Promise<void> {
  const answered = new Set(answeringRoutes(before.routes).map(({ bundle }) => bundle))
  const fresh = answeringRoutes(next.routes).filter(({ bundle }) => !answered.has(bundle))
  for (const route of fresh) {
    await tryRoute(cache, route, before)
    for (const member of membersInUse(cache, route, before)) await cache.with(member, () => undefined)
  }
}

async function tryRoute(
  cache: ModelCache<Predictor>,
  route: RoutedBundle,
  before: LiveRelease,
): Promise<void> {
  const why = await whyNot(cache, route)
  if (why === undefined) return
  const [old] = answeringRoutes(before.routes)
  if (old && (await whyNot(cache, old).catch(() => '')) !== undefined) return
  throw new MillraceError('MR_SERVE_UNFIT', {
    model: route.record.model,
    version: String(route.version),
    why,
  })
}

/** Why the parent of a route does not answer; undefined when it does, or when the row does not suit it. Errors: those of the load. */
async function whyNot(cache: ModelCache<Predictor>, { record }: RoutedBundle): Promise<string | undefined> {
  return await cache.with(record.parent, async (predictor) => {
    try {
      await predictor.score([predictor.coerce(plausibleRow(predictor), 0)], [0])
      return undefined
    } catch (thrown) {
      if (isMillraceError(thrown, 'MR_SERVE_FIELD') || isMillraceError(thrown, 'MR_SERVE_BUSY'))
        return undefined
      return thrown instanceof Error ? thrown.message : String(thrown)
    }
  })
}

const plausibleRow = ({ inputs }: Predictor): RawRow =>
  Object.fromEntries(inputs.map(({ name, type }) => [name, PLAUSIBLE[type]]))

/** Models of the members that the release before holds ready. */
function membersInUse(cache: ModelCache<Predictor>, { record }: RoutedBundle, before: LiveRelease): Digest[] {
  const held = answeringRoutes(before.routes).flatMap(({ record: old }) =>
    Object.entries(old.members).flatMap(([member, digest]) => (cache.peek(digest) ? [member] : [])),
  )
  const wanted = held.flatMap((member) =>
    Object.hasOwn(record.members, member) ? [record.members[member]] : [],
  )
  return [...new Set(wanted)].slice(0, MEMBERS_MAX)
}

/** Models of what answered until now, which are kept ready for a way back. */
export function modelsOf({ routes }: LiveRelease): Digest[] {
  return answeringRoutes(routes).map(({ record }) => record.parent)
}
