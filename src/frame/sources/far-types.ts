/** What a frame's steps know of files behind addresses. */
import type { Sql } from '../../engine/ports.ts'
import type { Condition } from '../condition-types.ts'
import type { FarAddress, FarFile } from './far-files.ts'

export interface FarColumn {
  name: string
  /** As the engine writes it. */
  duck: string
}

/** One writing of a source. In plans its columns are called `far<n>:<i>`, which nothing else is. */
export interface FarPlace {
  id: number
  /** In the order of the addresses. */
  files: FarFile[]
  columns: readonly FarColumn[]
  /** That all rows meet which are used of it. */
  conditions: readonly Condition[]
  isHive: boolean
  /** The SELECT that stands for the rows. */
  text: string
}

/** The files of one question. A path stands for a file that is here. */
export interface FarSources {
  /** What stands for the rows of Parquet files. Errors: MR_DATA_FETCH, MR_CANCELLED. */
  parquet(
    files: readonly (FarAddress | string)[],
    how: { isHive: boolean; conditions: readonly Condition[] },
  ): Promise<FarPlace>
  /** Fetches files as they are: their paths. Errors: MR_DATA_FETCH, MR_CANCELLED. */
  whole(files: readonly (FarAddress | string)[]): Promise<string[]>
  /** The engine's plan, as it tells it; nothing is fetched for it. */
  plan(question: Sql): Promise<string>
}
