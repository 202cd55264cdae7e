/**
 * TLS of the servers of a process: a certificate with its chain, its key, and for clients that must show one of their own the authority that signed it. The files are read again when they
 * change: connections that are open go on with what they began with, new ones get the new certificate.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import type { SecureContextOptions, Server, TlsOptions } from 'node:tls'
import { MillraceError, toError } from '../core/errors.ts'
import { SERVE_LIMITS } from './limits.ts'
import type { Gauge } from './metrics.ts'

export interface TlsPaths {
  /** PEM: the certificate, then those that lead to its authority. */
  cert: string
  /** PEM, without a passphrase. */
  key: string
  /** PEM: authorities of clients, which then must show a certificate. */
  ca?: string
}

export interface TlsFilesOptions {
  now?: () => number
  /** What is told of new files that cannot be used; the old ones go on. */
  onFault: (error: Error) => void
  pollMs?: number
}

/** Older versions are broken or nearly so (RFC 8996 retired 1.0 and 1.1). */
const VERSION_MIN = 'TLSv1.2'
const POLL_MS = 1_000

interface Read {
  context: SecureContextOptions
  expiresAt: number
}

export class TlsFiles {
  readonly #paths: TlsPaths
  readonly #options: TlsFilesOptions
  readonly #servers = new Set<Server>()
  readonly #timer: NodeJS.Timeout
  #read: Read
  #stamp: string
  #changing = ''
  #failedHandshakes = 0

  /** Errors: MR_TLS_FILE, MR_TLS_CERTIFICATE, MR_TLS_KEY. */
  constructor(paths: TlsPaths, options: TlsFilesOptions) {
    this.#paths = paths
    this.#options = options
    this.#stamp = stampOf(paths)
    this.#read = readTls(paths, this.#now())
    this.#timer = setInterval(() => this.#look(), options.pollMs ?? POLL_MS)
    this.#timer.unref()
  }

  /** What a server is made with. */
  options(): TlsOptions {
    const clients = this.#paths.ca === undefined ? {} : { requestCert: true, rejectUnauthorized: true }
    return { ...this.#read.context, ...clients, handshakeTimeout: SERVE_LIMITS.handshakeMsMax }
  }

  /** Gives a server the new certificate whenever there is one. */
  attach(server: Server): void {
    this.#servers.add(server)
    server.on('tlsClientError', () => this.#failedHandshakes++)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** What `/metrics` says of it. */
  gauges(): Gauge[] {
    return [
      {
        name: 'millrace_tls_certificate_expiry_seconds',
        type: 'gauge',
        help: 'When the certificate that is shown ends, as seconds since 1970.',
        value: () => this.#read.expiresAt / 1000,
      },
      {
        name: 'millrace_tls_handshakes_failed_total',
        type: 'counter',
        help: 'Connections that ended before they were secure.',
        value: () => this.#failedHandshakes,
      },
    ]
  }

  /** Takes changed files once they have stayed the same for a while: certificate and key are seldom written in one moment. */
  #look(): void {
    const stamp = stampOf(this.#paths)
    const isSettled = stamp === this.#changing
    this.#changing = stamp
    if (stamp === this.#stamp || !isSettled) return
    this.#stamp = stamp
    try {
      this.#read = readTls(this.#paths, this.#now())
      for (const server of this.#servers) server.setSecureContext(this.#read.context)
    } catch (error) {
      this.#options.onFault(toError(error))
    }
  }

  #now(): number {
    return this.#options.now?.() ?? Date.now()
  }
}

function readTls({ cert, key, ca }: TlsPaths, now: number): Read {
  const context: SecureContextOptions = {
    minVersion: VERSION_MIN,
    cert: bytesOf(cert),
    key: bytesOf(key),
    ...(ca !== undefined && { ca: bytesOf(ca) }),
  }
  const certificate = certificateOf(cert, context.cert as Buffer, now)
  if (ca !== undefined) certificateOf(ca, context.ca as Buffer, now)
  if (!certificate.checkPrivateKey(keyOf(key, context.key as Buffer)))
    throw new MillraceError('MR_TLS_KEY', { file: key, why: `it is not the key of ${cert.slice(-80)}` })
  return { context, expiresAt: Date.parse(certificate.validTo) }
}

function bytesOf(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (cause) {
    throw new MillraceError('MR_TLS_FILE', { file, why: toError(cause).message }, { cause })
  }
}

/** The first certificate of a file, which must be valid now. */
function certificateOf(file: string, bytes: Buffer, now: number): X509Certificate {
  const certificate = parsed(file, bytes)
  const { validFrom, validTo } = certificate
  if (Date.parse(validTo) <= now)
    throw new MillraceError('MR_TLS_CERTIFICATE', { file, why: `it ended at ${validTo}` })
  if (Date.parse(validFrom) > now)
    throw new MillraceError('MR_TLS_CERTIFICATE', { file, why: `it begins only at ${validFrom}` })
  return certificate
}

function parsed(file: string, bytes: Buffer): X509Certificate {
  try {
    return new X509Certificate(bytes)
  } catch (cause) {
    throw new MillraceError('MR_TLS_CERTIFICATE', { file, why: 'it holds no certificate in PEM' }, { cause })
  }
}

function keyOf(file: string, bytes: Buffer): KeyObject {
  try {
    return createPrivateKey(bytes)
  } catch (cause) {
    const isLocked = /ENCRYPTED/.test(bytes.toString('latin1'))
    const why = isLocked ? 'it is locked with a passphrase' : 'it holds no private key in PEM'
    throw new MillraceError('MR_TLS_KEY', { file, why }, { cause })
  }
}

function stampOf({ cert, key, ca }: TlsPaths): string {
  return [cert, key, ca]
    .flatMap((file) => (file === undefined ? [] : [statSync(file, { throwIfNoEntry: false })]))
    .map((stat) => (stat ? `${stat.ino} ${stat.size} ${stat.mtimeMs}` : 'none'))
    .join('\n')
}
