/**
 * The one catalogue of errors: what an operator can meet, in words, with what to do.
 *
 * Codes are grouped by area under `codes/` and are never reused. `docs/errors.md` is generated from here.
 */
import { access } from './codes/access.ts'
import { api } from './codes/api.ts'
import { cli } from './codes/cli.ts'
import { client } from './codes/client.ts'
import { core } from './codes/core.ts'
import { data } from './codes/data.ts'
import { define } from './codes/define.ts'
import { engine } from './codes/engine.ts'
import { expr } from './codes/expr.ts'
import { files } from './codes/files.ts'
import { frame } from './codes/frame.ts'
import { git } from './codes/git.ts'
import { loop } from './codes/loop.ts'
import { model } from './codes/model.ts'
import { postgres } from './codes/postgres.ts'
import { remote } from './codes/remote.ts'
import { rows } from './codes/rows.ts'
import { serve } from './codes/serve.ts'
import { stats } from './codes/stats.ts'
import { store } from './codes/store.ts'
import { train } from './codes/train.ts'
import { watch } from './codes/watch.ts'

/** How one code is explained. `data` carries the facts; the texts are built from them alone. */
export interface ErrorText<D> {
  /** Subject, expected, got: one sentence without a full stop. */
  what: (data: D) => string
  /** An act: a command, an option, a number. */
  fix: (data: D) => string
  retryable: boolean
  /** HTTP status when it reaches a client. */
  status: number
}

export const ERRORS = {
  ...core,
  ...store,
  ...remote,
  ...git,
  ...stats,
  ...expr,
  ...define,
  ...data,
  ...postgres,
  ...rows,
  ...files,
  ...model,
  ...train,
  ...serve,
  ...access,
  ...watch,
  ...loop,
  ...engine,
  ...frame,
  ...api,
  ...client,
  ...cli,
}

export type ErrorCode = keyof typeof ERRORS
export type DataOf<C extends ErrorCode> = Parameters<(typeof ERRORS)[C]['what']>[0]

/** An operating error: something a person can act on. Programmer mistakes are `assert`. */
export class MillraceError<C extends ErrorCode = ErrorCode> extends Error {
  readonly code: C
  readonly data: DataOf<C>
  readonly fix: string
  readonly retryable: boolean
  readonly status: number

  constructor(code: C, data: DataOf<C>, options?: { cause?: unknown }) {
    const text = ERRORS[code] as unknown as ErrorText<DataOf<C>>
    super(`${code}: ${text.what(data)}`, options)
    this.name = 'MillraceError'
    this.code = code
    this.data = data
    this.fix = text.fix(data)
    this.retryable = text.retryable
    this.status = text.status
  }

  /** The whole message as the CLI prints it: code and what on one line, fix on the next. */
  override toString(): string {
    return `${this.message}\nfix: ${this.fix}`
  }

  toJSON() {
    return {
      code: this.code,
      what: this.message.slice(this.code.length + 2),
      fix: this.fix,
      retryable: this.retryable,
    }
  }
}

/** Whether an unknown catch is a MillraceError, of one code if it is given. Works across module copies and threads. */
export function isMillraceError<C extends ErrorCode>(error: unknown, code?: C): error is MillraceError<C> {
  return (
    error instanceof Error &&
    error.name === 'MillraceError' &&
    (code === undefined || (error as MillraceError).code === code)
  )
}

/** Turns anything that was thrown into an Error, keeping it as the cause. The one place that does so. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown })
}

/** Rebuilds an error that crossed a thread or process as `{ code, data }`; anything else becomes a plain Error. */
export function reviveError(plain: {
  code?: string
  data?: unknown
  message: string
  stack?: string
}): Error {
  if (plain.code !== undefined && plain.code in ERRORS) {
    return new MillraceError(plain.code as ErrorCode, plain.data as DataOf<ErrorCode>)
  }
  const error = new Error(plain.message)
  if (plain.stack) error.stack = plain.stack
  return error
}

/** What `reviveError` takes. */
export function plainError(thrown: unknown): {
  code?: string
  data?: unknown
  message: string
  stack?: string
} {
  const error = toError(thrown)
  if (isMillraceError(error)) return { code: error.code, data: error.data, message: error.message }
  return { message: error.message, stack: error.stack }
}

/** A programmer's mistake: crashes with the reason. Never for input, files or the network. */
export function assert(condition: unknown, why: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${why}`)
}

/** Cuts user text before it is printed in an error: at most 64 characters. */
export function excerpt(text: string, charsMax = 64): string {
  return text.length <= charsMax ? text : `${text.slice(0, charsMax - 1)}…`
}
