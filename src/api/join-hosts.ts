/** Placement by the hosts that told the metadata database of themselves: this one renews its row there, and follows who else does. */
import type { Clock } from '../core/clock.ts'
import { MillraceError, toError } from '../core/errors.ts'
import { every } from '../engine/every.ts'
import { HOST_LIMITS, HostBoard } from '../serve/placement/host-board.ts'
import { readAddress } from '../serve/placement/hosts.ts'
import type { Host } from '../serve/placement/rendezvous.ts'
import { openStore } from '../store/open.ts'
import type { ServingHost, Store } from '../store/ports.ts'

export interface JoinOptions {
  /** Where the store is, as `openStore` takes it. */
  store: string
  clock: Clock
  self: ServingHost
  /** Gets the list with each beat. */
  onHosts: (hosts: readonly Host[]) => void
  /** Told once when the store cannot be asked, and again when it could be meanwhile. The list stays as it was. */
  onFault: (error: Error) => void
}

export interface Joined {
  /** Tells the others that this host goes, and asks no more. */
  leave(): Promise<void>
}

/** Resolves when this host is in the table and its list is the live one. Errors: those of `openStore` and of its database. */
export async function joinHosts({ store: at, clock, self, onHosts, onFault }: JoinOptions): Promise<Joined> {
  const store = await openStore(at, { clock })
  const board = new HostBoard()
  let isFailing = false
  let looking = Promise.resolve()
  const look = async () => {
    await store.meta.hosts.beat(self)
    await follow(store, board, onHosts)
  }
  const again = async () => {
    try {
      await look()
      isFailing = false
    } catch (thrown) {
      if (!isFailing) onFault(toError(thrown))
      isFailing = true
    }
  }
  try {
    await look()
  } catch (error) {
    await store.close()
    throw error
  }
  const timer = every(HOST_LIMITS.beatMs, () => {
    looking = again()
    return looking
  })
  return {
    leave: async () => {
      clearInterval(timer)
      await looking
      await store.meta.hosts.remove(self.address).catch(() => undefined)
      await store.close()
    },
  }
}

/** Rows of hosts that are long gone are taken away by whoever sees it: never one that beat meanwhile. */
async function follow(
  { meta }: Store,
  board: HostBoard,
  onHosts: (hosts: readonly Host[]) => void,
): Promise<void> {
  const { live, stale } = board.seen(await meta.hosts.list(), performance.now())
  onHosts(live)
  for (const { address, beat } of stale) await meta.hosts.remove(address, beat)
}

/** This host's address as others reach it: as it is said, else what it listens on. Errors: MR_SERVE_HOSTS where that is every address that it has. */
export function selfOf({ self, host = '' }: { self?: string; host?: string }, listens: string): string {
  if (self !== undefined) return readAddress(self)
  if (!['0.0.0.0', '::', '[::]'].includes(host)) return listens
  throw new MillraceError('MR_SERVE_HOSTS', {
    need: '--as name:port, as other hosts reach this one',
    got: host,
  })
}
