/** `command`: any program as a trainer. */
import { type Duration, durationMs } from './durations.ts'
import type { CommandTrainer, ParamValue } from './types.ts'

export interface CommandOptions {
  /** The program and its arguments; a text is divided at blanks. Found by PATH, or an absolute path. */
  run: string | readonly string[]
  /** Its own files and folders, relative to the config's folder; the program runs in a folder that holds just these. */
  files?: readonly string[]
  /** Names of environment variables that it sees, beside those that every program needs. */
  env?: readonly string[]
  /** What it is told beside the task and the seed. */
  params?: Readonly<Record<string, ParamValue>>
  /** Time it may take. Default: 1h. */
  time?: Duration
  /** Memory that it and what it starts may take together, where the platform tells. Default: 8192. */
  memoryMb?: number
}

/**
 * Any program as a trainer: it reads rows from Parquet files and leaves a model of LightGBM, XGBoost or ONNX trees, which is gated, released and served as every other. The
 * contract is in docs/guides/any-trainer.md. A file of `files` that changes makes another run; so does another command, parameter or seed. What the environment holds
 * (the version of a library) is not seen: name it in `params` where it matters.
 */
export function command(options: CommandOptions): CommandTrainer {
  const { run, files = [], env = [], params = {}, time = '1h', memoryMb = 8192 } = options
  return {
    kind: 'command',
    run: typeof run === 'string' ? run.split(' ').filter((word) => word !== '') : [...run],
    files: [...files],
    env: [...env],
    params: { ...params },
    timeMsMax: durationMs(time, 'command.time'),
    memoryMbMax: memoryMb,
  }
}
