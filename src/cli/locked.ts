/** `--on` and `--locked`: which version of a dataset a command is about. */
import { MillraceError } from '../core/errors.ts'
import type { Digest } from '../core/records.ts'
import { resolveVersion } from '../data/index.ts'
import { LOCK_FILE, lockedVersion } from '../loop/lock-file.ts'
import type { Runtime } from '../loop/runtime.ts'
import type { Cli } from './cli.ts'
import { short } from './format.ts'
import type { Options } from './handler.ts'
import { textOption } from './options.ts'

export interface VersionAsked {
  /** Absent where the newest is meant. */
  version?: Digest
  /** The lock file that says so. */
  lockedBy?: string
}

/** Errors: MR_CLI_USAGE where both say which, and those of names and locks. */
export async function versionAsked(
  cli: Cli,
  rt: Runtime,
  dataset: string,
  options: Options,
): Promise<VersionAsked> {
  const on = textOption(options, 'on')
  if (options.locked !== true)
    return on === undefined ? {} : { version: (await resolveVersion(rt.store, on)).digest }
  if (on !== undefined)
    throw new MillraceError('MR_CLI_USAGE', {
      why: '--on and --locked both say which version',
      help: 'millrace --help',
    })
  return { version: await pinned(cli, rt, dataset), lockedBy: LOCK_FILE }
}

/** The pinned version of a dataset, said on standard error. */
export async function pinned(cli: Cli, rt: Runtime, dataset: string): Promise<Digest> {
  const digest = await lockedVersion(rt, dataset)
  cli.note(cli.paint.dim(`${dataset} is ${short(digest)}, as ${LOCK_FILE} pins it`))
  return digest
}

/** The name of a version as it was given, or the digest that is pinned of the dataset of that name. Errors: MR_CLI_USAGE for a name that says which version already. */
export async function nameAsked(cli: Cli, rt: Runtime, name: string, options: Options): Promise<string> {
  if (options.locked !== true) return name
  if (/[@~]/.test(name))
    throw new MillraceError('MR_CLI_USAGE', {
      why: `${name} and --locked both say which version`,
      help: 'millrace --help',
    })
  return await pinned(cli, rt, name)
}
