/**
 * Which hosts own a model: each host draws a number for it, and the highest own it. A host that comes or goes moves only what it owns or comes to own, about one in N.
 *
 * Source: Thaler and Ravishankar 1998, rendezvous hashing; weights as in Schindelhauer and Schomaker 2005, the logarithmic method: `-weight / ln(u)`.
 */
import { createHash } from 'node:crypto'

export interface Host {
  /** `name:port`, as others reach it. */
  address: string
  /** Its share beside the others. */
  weight: number
}

/** A number in (0, 1) that is the same for the same words everywhere. */
function uniformOf(words: string): number {
  const bytes = createHash('sha256').update(words).digest()
  return (bytes.readUIntBE(0, 6) + 0.5) / 2 ** 48
}

/** The owners of a model, first first; fewer than `count` where there are fewer hosts. Cost: O(hosts), some microseconds each. */
export function ownersOf(model: string, hosts: readonly Host[], count: number): Host[] {
  const drawn = hosts.map((host) => ({
    host,
    score: -host.weight / Math.log(uniformOf(`${host.address}\n${model}`)),
  }))
  drawn.sort((a, b) => b.score - a.score || (a.host.address < b.host.address ? -1 : 1))
  return drawn.slice(0, count).map(({ host }) => host)
}
