/** `millrace …`: reads the arguments, runs one command, and ends with a code that scripts can use. */
import { Cancelled, coded, EXIT, exitOf } from './exit.ts'
import { paintFor } from './paint.ts'
import { buildProgram, runProgram } from './program.ts'

const stop = new AbortController()
let stopped = false

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (stopped) process.exit(EXIT.cancelled)
    stopped = true
    stop.abort(new Cancelled())
  })
}
// A reader that has seen enough, such as `head`, is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? EXIT.done : EXIT.failed)
})

process.exitCode = await main(process.argv.slice(2))
// Engines may hold threads that would keep the process; everything that matters is closed by now.
await drained()
process.exit()

async function main(args: string[]): Promise<number> {
  const streams = { stdout: process.stdout, stderr: process.stderr, stdin: process.stdin, env: process.env }
  try {
    return await runProgram(buildProgram(), args, streams, stop.signal)
  } catch (thrown) {
    const exit = exitOf(thrown, stopped)
    report(thrown, exit, args)
    return exit
  }
}

/** Says what went wrong on standard error: for people in two lines, for scripts as JSON. */
function report(thrown: unknown, exit: number, args: string[]): void {
  const isJson = args.includes('--json')
  const paint = paintFor(process.stderr, process.env)
  if (exit === EXIT.cancelled) {
    const message = 'Stopped. What is finished is kept; the same command goes on from there.'
    process.stderr.write(
      isJson
        ? `${JSON.stringify({ code: 'MR_CANCELLED', what: 'stopped by a signal', fix: message, retryable: true })}\n`
        : `\n${message}\n`,
    )
    return
  }
  const error = coded(thrown)
  if (isJson) process.stderr.write(`${JSON.stringify(error)}\n`)
  else
    process.stderr.write(
      `${paint.bad(error.code)}${error.message.slice(error.code.length)}\n${paint.dim('fix:')} ${error.fix}\n`,
    )
  if (args.includes('--verbose')) process.stderr.write(`${stackOf(thrown)}\n`)
}

function stackOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown)
  const { cause } = thrown
  return `${thrown.stack}${cause === undefined ? '' : `\ncaused by ${stackOf(cause)}`}`
}

async function drained(): Promise<void> {
  for (const stream of [process.stdout, process.stderr])
    if (stream.writableLength > 0) await new Promise<void>((done) => stream.write('', () => done()))
}
