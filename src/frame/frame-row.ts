/** Types of a frame's rows: what columns it has and what they hold, as far as the type checker knows. */
import type { ColumnType } from '../core/records.ts'
import type { Expr } from '../expr/builder.ts'

/** Rows of which nothing is known before they are read: any column name is taken, and judged when the frame is asked for. */
// biome-ignore lint/suspicious/noExplicitAny: what a column holds is not known
export type AnyRow = Record<string, any>

/** Names of a row's columns. */
export type Names<R> = keyof R & string

type IsAny<T> = 0 extends 1 & T ? true : false
type Plain<T> = T extends number | bigint ? number : T

/** What an item yields: an expression, an aggregate, a window function, or a plain value. */
export type Yield<X> = X extends { readonly '~type': infer T }
  ? IsAny<T> extends true
    ? T
    : X extends Expr<infer E, string>
      ? Plain<E> | null
      : T
  : X extends number
    ? number
    : X extends string
      ? string
      : X extends boolean
        ? boolean
        : X

export type Flat<T> = { [K in keyof T]: T[K] }

/** R with columns added or replaced. */
export type With<R, X> = string extends keyof R ? R : Flat<Omit<R, keyof X> & { [K in keyof X]: Yield<X[K]> }>

export type Renamed<R, M> = string extends keyof R
  ? R
  : { [K in keyof R as K extends keyof M ? (M[K] extends string ? M[K] : K) : K]: R[K] }

export type Without<R, K extends PropertyKey> = string extends keyof R ? R : Flat<Omit<R, K>>
export type Kept<R, K extends PropertyKey> = string extends keyof R ? R : Flat<Pick<R, K & keyof R>>

/** Columns of the right as a join adds them. */
type Added<R, S, On, Suffix extends string> = {
  [K in keyof S as K extends On ? never : K extends keyof R ? `${K & string}${Suffix}` : K]: S[K]
}
type Maybe<T> = { [K in keyof T]: T[K] | null }

export type Joined<R, S, On, How, Suffix extends string> = string extends keyof R
  ? R
  : string extends keyof S
    ? AnyRow
    : How extends 'semi' | 'anti'
      ? R
      : How extends 'left' | 'asof'
        ? Flat<R & Maybe<Added<R, S, On, Suffix>>>
        : How extends 'right'
          ? Flat<Maybe<Omit<R, On & keyof R>> & Pick<R, On & keyof R> & Added<R, S, On, Suffix>>
          : How extends 'outer'
            ? Flat<Maybe<R> & Maybe<Added<R, S, On, Suffix>>>
            : Flat<R & Added<R, S, On, Suffix>>

export type Dropped<R, K> = string extends keyof R
  ? R
  : { [P in keyof R]: P extends K ? Exclude<R[P], null | undefined> : R[P] }

export type Exploded<R, K> = string extends keyof R
  ? R
  : {
      [P in keyof R]: P extends K
        ? NonNullable<R[P]> extends readonly (infer E)[]
          ? E | null
          : unknown
        : R[P]
    }

interface OfType {
  bool: boolean
  int: number
  float: number
  string: string
  time: Date
  date: Date
  json: unknown
}

export type Casted<R, M> = string extends keyof R
  ? R
  : {
      [K in keyof R]: K extends keyof M
        ? M[K] extends ColumnType
          ? OfType[M[K]] | Extract<R[K], null>
          : R[K]
        : R[K]
    }
