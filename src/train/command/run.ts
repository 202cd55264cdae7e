/** A trainer's process: its own process group, a short environment, limits of time and memory, progress from its output. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { MillraceError } from '../../core/errors.ts'

export interface CommandRun {
  command: readonly string[]
  cwd: string
  env: Record<string, string>
  timeMsMax: number
  /** Of the whole process group; looked at where the platform tells, which is Linux. */
  memoryMbMax: number
  signal: AbortSignal
  onProgress(done: number, note: string): void
}

const TAIL_CHARS = 4_000
const LOOK_MS = 500
/** Between asking a process to end and ending it. */
const GRACE_MS = 1_000
/** Pages of memory in `/proc`, in bytes; all that Node runs on here have pages of 4 KiB at least, so a limit is never struck too early. */
const PAGE_BYTES = 4_096

/**
 * Runs a command to its end. Lines of its output that are JSON objects with `progress` (0 to 1) and `note` are progress; everything else is its log.
 * Errors: MR_TRAIN_COMMAND_ABSENT, MR_TRAIN_COMMAND_FAILED with the end of its log, MR_TRAIN_COMMAND_TIME, MR_TRAIN_COMMAND_MEMORY, MR_CANCELLED.
 */
export async function runCommand(run: CommandRun): Promise<void> {
  const name = run.command.join(' ')
  if (run.signal.aborted) throw new MillraceError('MR_CANCELLED', { what: name })
  const child = spawn(run.command[0], run.command.slice(1), {
    cwd: run.cwd,
    env: run.env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const log = new Log(run.onProgress)
  log.read(child)
  const watch = new Watch(child, run, name)
  // Whatever it leaves running is of its group, and may hold its output open.
  child.once('exit', () => signalGroup(child, 'SIGKILL'))
  const end = await endOf(child)
  watch.close()
  if (watch.why) throw watch.why
  if (end instanceof Error) throw absent(end, run.command[0], name)
  if (end !== 'exit code 0')
    throw new MillraceError('MR_TRAIN_COMMAND_FAILED', { command: name, why: end, log: log.tail })
}

function endOf(child: ChildProcess): Promise<string | Error> {
  return new Promise((resolve) => {
    child.once('error', resolve)
    child.once('close', (code, killedBy) => resolve(killedBy ? `signal ${killedBy}` : `exit code ${code}`))
  })
}

function absent(error: Error, program: string, command: string): MillraceError {
  const why =
    (error as NodeJS.ErrnoException).code === 'ENOENT' ? `there is no program "${program}"` : error.message
  return new MillraceError('MR_TRAIN_COMMAND_ABSENT', { command, why }, { cause: error })
}

class Log {
  tail = ''
  private readonly onProgress: CommandRun['onProgress']

  constructor(onProgress: CommandRun['onProgress']) {
    this.onProgress = onProgress
  }

  read({ stdout, stderr }: ChildProcess): void {
    stderr?.setEncoding('utf8').on('data', (text: string) => this.add(text))
    let rest = ''
    stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      // A line without an end must not grow for ever.
      rest = (lines.pop() ?? '').slice(-TAIL_CHARS)
      for (const line of lines) this.line(line)
    })
    stdout?.on('end', () => this.line(rest))
  }

  private line(line: string): void {
    const told = progressOf(line)
    if (told) this.onProgress(told.done, told.note)
    else if (line.trim() !== '') this.add(`${line}\n`)
  }

  private add(text: string): void {
    this.tail = (this.tail + text).slice(-TAIL_CHARS)
  }
}

function progressOf(line: string): { done: number; note: string } | undefined {
  if (!line.startsWith('{')) return undefined
  try {
    const { progress, note } = JSON.parse(line) as { progress?: unknown; note?: unknown }
    if (typeof progress !== 'number' || !(progress >= 0 && progress <= 1)) return undefined
    return { done: progress, note: typeof note === 'string' ? note.slice(0, 200) : '' }
  } catch {
    return undefined
  }
}

/** Ends the process group when it is cancelled, takes too long or too much. */
class Watch {
  why: MillraceError | undefined
  private readonly timers: NodeJS.Timeout[] = []
  private readonly child: ChildProcess
  private readonly signal: AbortSignal
  private readonly onAbort: () => void

  constructor(child: ChildProcess, { signal, timeMsMax, memoryMbMax }: CommandRun, command: string) {
    this.child = child
    this.signal = signal
    this.onAbort = () => this.end(new MillraceError('MR_CANCELLED', { what: command }))
    signal.addEventListener('abort', this.onAbort, { once: true })
    const late = () => this.end(new MillraceError('MR_TRAIN_COMMAND_TIME', { command, limitMs: timeMsMax }))
    this.timers.push(setTimeout(late, Math.min(timeMsMax, 2 ** 31 - 1)))
    this.timers.push(
      setInterval(() => {
        const usedMb = groupBytes(child.pid) / 2 ** 20
        if (usedMb <= memoryMbMax) return
        const mb = Math.ceil(usedMb)
        this.end(new MillraceError('MR_TRAIN_COMMAND_MEMORY', { command, limitMb: memoryMbMax, usedMb: mb }))
      }, LOOK_MS),
    )
  }

  private end(why: MillraceError): void {
    if (this.why) return
    this.why = why
    signalGroup(this.child, 'SIGTERM')
    this.timers.push(setTimeout(() => signalGroup(this.child, 'SIGKILL'), GRACE_MS))
  }

  close(): void {
    for (const timer of this.timers) clearTimeout(timer)
    this.signal.removeEventListener('abort', this.onAbort)
  }
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch {
    // The group has ended.
  }
}

/** Resident memory of a process group; 0 where the platform does not tell. */
function groupBytes(group: number | undefined): number {
  if (process.platform !== 'linux' || group === undefined) return 0
  let pages = 0
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    pages += residentPages(pid, group)
  }
  return pages * PAGE_BYTES
}

/** After the name in brackets, which may hold anything: state, parent, group … and resident pages as the 22nd. See proc(5). */
function residentPages(pid: string, group: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return Number(fields[2]) === group ? Number(fields[21]) : 0
  } catch {
    return 0
  }
}
