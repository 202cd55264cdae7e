/** `millrace data lock`: the versions that a commit of code goes with. */
import { LOCK_FILE, lockVersions } from '../../loop/lock-file.ts'
import type { Answer, Cli } from '../cli.ts'
import { EXIT } from '../exit.ts'
import { plural, short } from '../format.ts'
import type { Options } from '../handler.ts'

export async function dataLock(cli: Cli, [given]: readonly unknown[], options: Options): Promise<Answer> {
  const rt = await cli.open()
  const check = options.check === true || options.dryRun === true
  const { lock, changes } = await lockVersions(rt, { names: given as string[], check })
  const { paint } = cli
  const moved = changes.map(
    ({ name, from, to }) => `      ${name}  ${from === null ? 'new' : short(from)} → ${short(to)}`,
  )
  const isStale = options.check === true && changes.length > 0
  return {
    value: { file: LOCK_FILE, pinned: Object.fromEntries(lock), changes, written: !check },
    lines: [
      isStale
        ? `  ${paint.bad('✗')} ${LOCK_FILE} does not pin what is here now`
        : `  ${paint.good('✓')} ${LOCK_FILE} ${check ? 'would pin' : 'pins'} ${plural(lock.size, 'version')}`,
      ...moved,
      ...(isStale
        ? [`    ${paint.dim('fix:')} millrace data lock, or millrace data pull to have what it pins`]
        : []),
    ],
    exit: isStale ? EXIT.refused : EXIT.done,
  }
}
