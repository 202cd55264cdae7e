/** A port whose connections are handed on: nothing is read from them here. */
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { MillraceError } from '../../core/errors.ts'

export interface Door {
  /** `host:port`. */
  address: string
  /** Takes no new connections. */
  close(): Promise<void>
}

/** Errors: MR_PORT_TAKEN, MR_NO_PERMISSION. */
export async function openDoor(
  host: string,
  port: number,
  onConnection: (socket: Socket) => void,
): Promise<Door> {
  const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
    socket.on('error', () => undefined)
    onConnection(socket)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)))
    server.listen(port, host, resolve)
  })
  const { port: bound } = server.address() as AddressInfo
  return {
    address: `${host.includes(':') ? `[${host}]` : host}:${bound}`,
    // what it handed on is the workers', so that nothing is waited for
    close: async () => void server.close(),
  }
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): Error {
  if (error.code === 'EADDRINUSE') return new MillraceError('MR_PORT_TAKEN', { host, port }, { cause: error })
  if (error.code === 'EACCES')
    return new MillraceError('MR_NO_PERMISSION', { path: `port ${port}`, act: 'listen on' }, { cause: error })
  return error
}
