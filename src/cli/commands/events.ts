/** `millrace events`: the journal, as it is or as it grows. */
import type { JournalEvent } from '../../core/records.ts'
import type { Answer, Cli } from '../cli.ts'
import { minute } from '../format.ts'
import type { Options } from '../handler.ts'
import { countOption, textOption } from '../options.ts'
import { pad } from '../table.ts'

const POLL_MS = 500

export async function events(cli: Cli, _args: readonly unknown[], options: Options): Promise<Answer> {
  const limit = countOption(options, 'limit', 20, 1, 500)
  const subjectPrefix = textOption(options, 'about')
  const { store } = await cli.open()
  const newest = (await store.meta.events({ subjectPrefix, newest: true, limit })).reverse()
  if (options.follow !== true)
    return {
      value: newest,
      lines: newest.length === 0 ? ['  Nothing has happened yet.'] : newest.map((e) => lineOf(cli, e)),
    }
  let after = 0
  const tell = (found: readonly JournalEvent[]) => {
    for (const event of found) cli.event(event, lineOf(cli, event))
    after = found.at(-1)?.seq ?? after
  }
  tell(newest)
  while (!cli.signal.aborted) {
    tell(await store.meta.events({ subjectPrefix, after }))
    await new Promise((done) => setTimeout(done, POLL_MS))
  }
  return { value: { event: 'stopped' } }
}

function lineOf({ paint }: Cli, { seq, at, type, subject, actor, reason }: JournalEvent): string {
  return `  ${paint.dim(`${pad(String(seq), 5, true)}  ${minute(at)}`)}  ${paint.accent(pad(type, 18))}  ${paint.bold(subjectText(subject))}  ${reason} ${paint.dim(`(${actor})`)}`
}

/** `late`, `flights`, `run 3fa9c1d2`. */
function subjectText(subject: string): string {
  const run = /^runs\/([0-9a-f]{8})/.exec(subject)
  return run ? `run ${run[1]}` : subject.replace(/^(models|datasets)\//, '')
}
