/** The connections of a server: how many there may be, and their end when it closes. */
import type { Server, Socket } from 'node:net'

/**
 * Beyond `max`, connections are marked, so that what is asked over them is refused with a code; beyond twice as many they are not taken at all. A connection that never asked anything, or never
 * ended its TLS handshake, would hold a closing server open: `cut` ends all that are left.
 */
export class Connections {
  readonly max: number
  readonly #open = new Set<Socket>()
  readonly #over = new WeakSet<object>()

  /** `by` is the server's event that gives what requests come over. */
  constructor(server: Server, max: number, by: 'connection' | 'secureConnection' | 'session') {
    this.max = max
    server.maxConnections = 2 * max
    server.prependListener('connection', (socket: Socket) => {
      this.#open.add(socket)
      socket.once('close', () => this.#open.delete(socket))
    })
    server.on(by, (one: object) => {
      if (this.#open.size > max) this.#over.add(one)
    })
  }

  /** Whether a connection came when there were too many. */
  isOver(one: object): boolean {
    return this.#over.has(one)
  }

  cut(): void {
    for (const socket of this.#open) socket.destroy()
  }
}
