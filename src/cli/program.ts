/** The commands as commander sees them. What they do is loaded when it is asked for, so that help is there at once. */
import { Command, CommanderError } from 'commander'
import { isMillraceError, MillraceError } from '../core/errors.ts'
import { Cli, type GlobalOptions, type Streams } from './cli.ts'
import { COMMANDS } from './command-list.ts'
import type { CommandSpec } from './command-spec.ts'
import { EXIT, EXIT_HELP } from './exit.ts'
import type { Handler, Options } from './handler.ts'
import { missingModel } from './missing-model.ts'

interface Chosen {
  spec: CommandSpec
  args: (string | string[] | undefined)[]
  options: Options
}

const INTRO =
  'Keeps machine-learning models good in production: data, training, gates, release, serving, watching.'

const EXAMPLES = `
First steps:
  millrace init customers.csv    look at a file and write millrace.config.ts
  millrace up                    import, train, release, serve and watch, until Ctrl-C
  millrace status                how everything is, in one sentence

${EXIT_HELP}`

/** The commands' tree. Errors in the arguments are thrown as MR_CLI_USAGE by `runProgram`. */
export function buildProgram(): Command {
  const program = new Command('millrace')
    .description(INTRO)
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
    .configureHelp({ showGlobalOptions: true })
    .option('--json', 'answer for scripts: JSON on stdout, errors as JSON on stderr')
    .option('--project <folder>', 'folder of millrace.config.ts (default: this one)')
    .option(
      '--state <folder>',
      'where data, models and the journal are kept (default: .millrace in the project)',
    )
    .option('--verbose', 'show where in the code an error came from')
    .option('--version', 'print the version')
    .addHelpText('after', EXAMPLES)
    .helpCommand('help [command]', 'how a command is used')
    .showSuggestionAfterError()
  for (const spec of COMMANDS) addCommand(program, spec)
  return program
}

const chosen = new WeakMap<Command, Chosen>()

function addCommand(program: Command, spec: CommandSpec): void {
  const parent = spec.name.includes(' ') ? groupOf(program, spec.name.split(' ')[0]) : program
  const command = parent
    .command([spec.name.split(' ').at(-1), spec.args].filter(Boolean).join(' '))
    .description(spec.summary)
  for (const [flags, text] of spec.options ?? []) command.option(flags, text)
  command.addHelpText('after', `\nExamples:\n${spec.examples.map((line) => `  ${line}`).join('\n')}`)
  command.action((...given: unknown[]) => {
    const args = given.slice(0, -2) as Chosen['args']
    chosen.set(program, { spec, args, options: command.opts() as Options })
  })
}

const GROUPS: Record<string, string> = {
  bench: 'measure what is served: latency against throughput',
  data: 'versions of the data: import, history, differences, quarantine, triage, repair',
  token: 'tokens with scopes and limits: make, list and revoke them',
  model: 'model files of others: look at one, import it, export one of yours',
}

/** A command that only holds others; asked alone it prints its help. */
function groupOf(program: Command, name: string): Command {
  const known = program.commands.find((c) => c.name() === name)
  if (known) return known
  return program.command(name).description(GROUPS[name])
}

/** Parses, runs and prints. Errors: MR_CLI_USAGE for what is not understood, and those of the command. */
export async function runProgram(
  program: Command,
  args: readonly string[],
  streams: Streams,
  signal: AbortSignal,
): Promise<number> {
  try {
    if (!parse(program, args)) return EXIT.done
  } catch (thrown) {
    throw await withModels(thrown, new Cli(program.opts(), streams, signal))
  }
  const cli = new Cli(program.opts() as GlobalOptions, streams, signal)
  const found = chosen.get(program)
  if (found === undefined) return await tellVersion(cli)
  try {
    const handler = (await found.spec.load()) as Handler
    const answer = await handler(cli, found.args, found.options)
    cli.answer(answer)
    return answer.exit ?? EXIT.done
  } finally {
    cli.meter.clear()
    await cli.close()
  }
}

/** An error for want of a model, with the models there are; others as they are. */
async function withModels(thrown: unknown, cli: Cli): Promise<unknown> {
  if (!isMillraceError(thrown) || !(thrown.cause instanceof CommanderError)) return thrown
  const { code, message } = thrown.cause
  if (code !== 'commander.missingArgument' || !message.includes("'model'")) return thrown
  const { why, help } = thrown.data as { why: string; help: string }
  return await missingModel(cli, why, help, thrown.cause)
}

async function tellVersion(cli: Cli): Promise<number> {
  const { packageVersion } = await import('./version.ts')
  cli.answer({ value: { version: packageVersion() }, lines: [packageVersion()] })
  return EXIT.done
}

/** False when help was printed and nothing is left to do. */
function parse(program: Command, args: readonly string[]): boolean {
  try {
    program.parse([...args], { from: 'user' })
    return true
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown
    if (thrown.exitCode === 0) return false
    if (thrown.code === 'commander.help') return helpOrVersion(program, args)
    const why = thrown.message
      .replace(/^error: /, '')
      .replace(/\n/g, ' ')
      .trim()
    const help = ['millrace', ...meant(program, args).words, '--help'].join(' ')
    throw new MillraceError('MR_CLI_USAGE', { why, help }, { cause: thrown })
  }
}

/** No command was named: that is a wish for help, or for the version. */
function helpOrVersion(program: Command, args: readonly string[]): boolean {
  if ((program.opts() as { version?: boolean }).version) return true
  meant(program, args).command.outputHelp()
  return false
}

/** The command that the arguments begin with. */
function meant(program: Command, args: readonly string[]): { command: Command; words: string[] } {
  const words: string[] = []
  let command = program
  for (const arg of args.filter((a) => !a.startsWith('-'))) {
    const next = command.commands.find((c) => c.name() === arg)
    if (!next) break
    words.push(arg)
    command = next
  }
  return { command, words }
}
