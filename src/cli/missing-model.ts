/** The error of a command that was not told which model: it names those there are, where the config can be read. */
import { MillraceError } from '../core/errors.ts'
import type { Cli } from './cli.ts'

const SHOWN = 20

export async function missingModel(
  cli: Pick<Cli, 'load'>,
  why: string,
  help: string,
  cause?: unknown,
): Promise<MillraceError> {
  const known = await cli.load().then(
    ({ project }) => project.models.map(({ name }) => name),
    () => [],
  )
  const more = known.length > SHOWN ? ` and ${known.length - SHOWN} more` : ''
  const models = known.length === 0 ? '' : `; models: ${known.slice(0, SHOWN).join(', ')}${more}`
  return new MillraceError('MR_CLI_USAGE', { why: `${why}${models}`, help }, { cause })
}
