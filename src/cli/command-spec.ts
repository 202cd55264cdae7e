/** How a command is written down. */
import type { Handler } from './handler.ts'

export interface CommandSpec {
  /** `status`, or `data import` for a command of a group. */
  name: string
  /** Arguments as commander writes them: `<needed>`, `[optional]`, `<several…>`. */
  args?: string
  summary: string
  options?: readonly (readonly [flags: string, text: string])[]
  examples: readonly string[]
  load: () => Promise<Handler>
}
