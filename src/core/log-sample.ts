/** Which answers a sampled log keeps: by a hash of the id, so that an outcome, which names the id alone, is kept just when its prediction is. */
import { mix32 } from './rng.ts'

const SALT = 0x9e3779b9

/**
 * Whether the answer of an id is among a share of them. Nested: what a smaller share keeps, every larger one does. So rows that were kept under a larger share can be thinned to a smaller one, and then
 * all of them had the same chance. Ids that serving makes are spread evenly; clients that choose ids should not choose them by what is in the row.
 */
export function isKept(id: string, share: number): boolean {
  return share >= 1 || hashOf(id) < share * 2 ** 32
}

function hashOf(text: string): number {
  let h = SALT
  for (let i = 0; i < text.length; i++) h = mix32(h ^ text.charCodeAt(i))
  return mix32(h)
}
