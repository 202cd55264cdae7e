/** `millrace lineage`: what the journal says, as run events of OpenLineage. */
import { MillraceError } from '../../core/errors.ts'
import { LineageSender } from '../../loop/lineage/sender.ts'
import { lineageSettings } from '../../loop/lineage/transport.ts'
import type { Answer, Cli } from '../cli.ts'
import { EXIT } from '../exit.ts'
import { plural } from '../format.ts'
import type { Options } from '../handler.ts'
import { countOption, textOption } from '../options.ts'
import { packageVersion } from '../version.ts'

const SEQ_MAX = Number.MAX_SAFE_INTEGER

export async function lineage(cli: Cli, _args: readonly unknown[], options: Options): Promise<Answer> {
  const written: string[] = []
  const settings = lineageSettings(cli.env, textOption(options, 'to'), (text) => written.push(text.trimEnd()))
  if (settings === undefined) throw new MillraceError('MR_LINEAGE_NONE', {})
  const rt = await cli.open()
  const sender = new LineageSender(rt, { ...settings, version: packageVersion() })
  const isShown = settings.transport.target === 'stdout'
  const after = options.after === undefined ? undefined : countOption(options, 'after', 0, 0, SEQ_MAX)
  const turn = await sender.poll(cli.signal, after ?? (isShown ? 0 : undefined))
  if (isShown) return { value: written.map((line) => JSON.parse(line) as unknown), lines: written }
  const { sent, refused, fault } = turn
  const { paint } = cli
  return {
    value: { target: settings.transport.target, ...turn },
    lines: [
      `  ${fault === undefined ? paint.good('✓') : paint.warn('!')} ${plural(sent, 'run event')} sent to ${settings.transport.target}${refused > 0 ? `; ${refused} refused there` : ''}`,
      ...(fault === undefined ? [] : [`    ${fault}; what is left is sent the next time`]),
    ],
    exit: fault === undefined ? EXIT.done : EXIT.failed,
  }
}
