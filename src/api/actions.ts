/** What a person can do from the console or a script: the same functions the commands call, told in the contract's words. */

import type { FastifyRequest } from 'fastify'
import type { Alert } from '../core/records.ts'
import { promoteModel, type ReleaseRequest, type ReleaseResult, rollBackModel } from '../loop/release.ts'
import type { Runtime } from '../loop/runtime.ts'
import { type Caller, LOCAL } from '../serve/access/access.ts'
import { acknowledgeAlert } from '../watch/record.ts'
import type { ActionResult, Session } from './contract.ts'
import { actionBody, bodyObject, type Given, onlyKnown } from './query.ts'

export interface ActionAsk {
  dryRun: boolean
  reason: string
  actor: string
}

export interface Actions {
  rollback: (model: string, ask: ActionAsk) => Promise<ActionResult>
  promote: (model: string, ask: ActionAsk) => Promise<ActionResult>
  acknowledge: (alert: string, ask: { actor: string }) => Promise<Alert>
}

/** Actions on an open project. Errors: those of the loop (MR_LOOP_…), MR_WATCH_ALERT_UNKNOWN. */
export function loopActions(rt: Runtime): Actions {
  return {
    rollback: async (model, ask) =>
      told(`millrace rollback ${familyOf(model)}`, ask, await rollBackModel(rt, requestOf(model, ask))),
    promote: async (model, ask) =>
      told(`millrace promote ${familyOf(model)}`, ask, await promoteModel(rt, requestOf(model, ask))),
    acknowledge: (alert, { actor }) => acknowledgeAlert(rt.store, alert, actor),
  }
}

/** A family is released as a whole: what is asked of a member is done to its family, and the command says so. */
function familyOf(model: string): string {
  return model.split('/', 1)[0]
}

function requestOf(model: string, { dryRun, reason, actor }: ActionAsk): ReleaseRequest {
  return { model, dryRun, actor, reason: reason === '' ? undefined : reason }
}

function told(command: string, { dryRun }: ActionAsk, { done, effects }: ReleaseResult): ActionResult {
  return { done, dryRun, command, effects }
}

/** Who the journal says acted: the token's name, where there is one. */
export function actorOf({ caller }: { caller?: Caller }, otherwise = 'console'): string {
  return caller === undefined || caller === LOCAL ? otherwise : caller.name
}

/** The fields of an act, and how it is asked for: `dryRun`, `reason` and who. Errors: MR_API_QUERY. */
export function actionIn(
  request: FastifyRequest,
  actor: string | undefined,
  names: readonly string[],
): [Given, ActionAsk] {
  const given = onlyKnown(bodyObject(request.body), [...names, 'dryRun', 'reason'])
  return [given, { ...actionBody(given), actor: actorOf(request, actor) }]
}

/** What the caller may do. */
export function sessionOf({ caller = LOCAL }: Partial<Pick<FastifyRequest, 'caller'>>): Session {
  return {
    token: caller === LOCAL ? null : caller.name,
    scopes: [...caller.scopes],
    models: caller.models ? [...caller.models] : null,
    expiresAt: caller.expiresAt ?? null,
  }
}
