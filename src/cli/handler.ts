import type { Answer, Cli } from './cli.ts'

/** What a command does, given its arguments in order and its options. */
export type Handler = (
  cli: Cli,
  args: readonly (string | string[] | undefined)[],
  options: Options,
) => Promise<Answer>

export type Options = Record<string, string | boolean | undefined>
