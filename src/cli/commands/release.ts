/** `millrace release`, `promote` and `rollback`: what traffic goes where, moved by a person. */
import {
  promoteModel,
  type ReleaseRequest,
  type ReleaseResult,
  releaseLatest,
  rollBackModel,
} from '../../loop/release.ts'
import type { Runtime } from '../../loop/runtime.ts'
import type { Answer, Cli } from '../cli.ts'
import type { Handler, Options } from '../handler.ts'
import { textOption } from '../options.ts'

type Act = (rt: Runtime, request: ReleaseRequest) => Promise<ReleaseResult>

const handler =
  (act: Act): Handler =>
  async (cli, [model], options) =>
    await told(cli, act, model as string, options)

export const release = handler(releaseLatest)
export const promote = handler(promoteModel)
export const rollback = handler(rollBackModel)

async function told(cli: Cli, act: Act, model: string, options: Options): Promise<Answer> {
  const rt = await cli.open()
  const dryRun = options.dryRun === true
  const result = await act(rt, {
    model,
    reason: textOption(options, 'reason'),
    actor: await cli.actor(),
    dryRun,
  })
  const { done, effects, release: state, digest } = result
  const mark = done ? cli.paint.good('✓') : cli.paint.dim('·')
  const head = dryRun ? [cli.paint.dim('  Nothing is changed; this is what would happen:')] : []
  return {
    value: {
      done,
      dryRun,
      model: state.model,
      state: state.state,
      release: digest ?? null,
      routes: state.routes,
      effects,
    },
    lines: [...head, ...effects.map((effect) => `  ${mark} ${effect}`)],
  }
}
