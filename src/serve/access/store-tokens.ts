/** The tokens of a project: a record each, under `tokens/<name>`, so that who gave and took them is in the journal. Servers follow them without a restart. */
import type { Json } from '../../core/canonical.ts'
import { MillraceError, toError } from '../../core/errors.ts'
import { refs } from '../../core/names.ts'
import { every } from '../../engine/every.ts'
import type { Store } from '../../store/ports.ts'
import type { Access } from './access.ts'
import { grantText, type TokenGrant } from './grant.ts'

export interface AccessToken extends TokenGrant {
  kind: 'AccessToken'
  createdAt: number
}

/** Who does it, and why, for the journal. */
export interface TokenAct {
  actor: string
  reason: string
}

const PREFIX = refs.token('')
const POLL_MS = 1_000

/** All tokens, by name, also those that have expired. */
export async function readTokens(store: Store): Promise<AccessToken[]> {
  const found = await store.meta.refs(PREFIX)
  return await Promise.all(found.map(({ digest }) => store.getRecord<AccessToken>(digest, 'AccessToken')))
}

/** Adds a token, or with `replace` puts it in the place of that of its name. Errors: MR_ACCESS_NAME_TAKEN. */
export async function addToken(
  store: Store,
  token: AccessToken,
  { actor, reason, replace = false }: TokenAct & { replace?: boolean },
): Promise<void> {
  const name = refs.token(token.name)
  const held = await store.meta.ref(name)
  const to = await store.putRecord(token)
  const event = {
    ...{ type: held && replace ? 'token.replaced' : 'token.added', subject: name, actor, reason },
    data: grantText(token) as Json,
  }
  const from = replace ? (held?.digest ?? null) : null
  const done = await store.meta.commit({ moves: [{ name, from, to }], event })
  if (!done.ok) throw new MillraceError('MR_ACCESS_NAME_TAKEN', { token: token.name })
}

/** Ends a token at once. Its record stays in the history of its ref. Errors: MR_ACCESS_UNKNOWN. */
export async function revokeToken(store: Store, name: string, { actor, reason }: TokenAct): Promise<void> {
  const ref = refs.token(name)
  const held = await store.meta.ref(ref)
  const event = { type: 'token.revoked', subject: ref, actor, reason, data: {} }
  const done =
    held && (await store.meta.commit({ moves: [{ name: ref, from: held.digest, to: null }], event }))
  if (done?.ok) return
  const known = (await store.meta.refs(PREFIX)).map((one) => one.name.slice(PREFIX.length))
  throw new MillraceError('MR_ACCESS_UNKNOWN', { token: name, known })
}

/** Gives the tokens of a store to `access` once a second where they changed. Gives what ends that. A store that cannot be asked leaves them as they are. */
export function followTokens(
  store: Store,
  access: Access,
  { onFault, pollMs = POLL_MS }: { onFault: (error: Error) => void; pollMs?: number },
): () => void {
  let seen = ''
  const look = async () => {
    const found = await store.meta.refs(PREFIX)
    const stamp = found.map(({ name, digest }) => `${name} ${digest}`).join('\n')
    if (stamp === seen) return
    access.replace(await readTokens(store))
    seen = stamp
  }
  const timer = every(pollMs, () => look().catch((error: unknown) => onFault(toError(error))))
  timer.unref()
  return () => clearInterval(timer)
}
