/** Certificates made where they are needed, so that none lies in the repository to expire: X.509 v3 over P-256, in DER by hand (RFC 5280). */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'

const der = (tag: number, ...parts: Uint8Array[]): Buffer => {
  const body = Buffer.concat(parts)
  const n = body.length
  const length = n < 128 ? [n] : n < 256 ? [0x81, n] : [0x82, n >> 8, n & 255]
  return Buffer.concat([Buffer.of(tag, ...length), body])
}
const seq = (...parts: Uint8Array[]) => der(0x30, ...parts)
const oid = (hex: string) => der(0x06, Buffer.from(hex, 'hex'))
const ECDSA_SHA256 = seq(oid('2a8648ce3d040302'))
const YES = der(0x01, Buffer.of(0xff))

const nameOf = (cn: string) => seq(der(0x31, seq(oid('550403'), der(0x0c, Buffer.from(cn)))))
const timeOf = (at: number) =>
  der(0x18, Buffer.from(`${new Date(at).toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`))

const extension = (id: string, isCritical: boolean, value: Uint8Array) =>
  seq(oid(id), ...(isCritical ? [YES] : []), der(0x04, value))

export interface Made {
  cn: string
  cert: string
  key: string
  secret: KeyObject
}

export interface MakeOptions {
  fromAt?: number
  toAt?: number
  /** Who signs; itself by default. */
  by?: Made
  isCa?: boolean
}

const DAY = 86_400_000

/** A certificate for localhost and 127.0.0.1, and its key, both in PEM. */
export function makeCertificate(cn: string, options: MakeOptions = {}): Made {
  const { fromAt = Date.now() - DAY, toAt = Date.now() + DAY, by, isCa = false } = options
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const names = seq(der(0x82, Buffer.from('localhost')), der(0x87, Buffer.of(127, 0, 0, 1)))
  const tbs = seq(
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, Buffer.concat([Buffer.of(1), randomBytes(8)])),
    ECDSA_SHA256,
    nameOf(by?.cn ?? cn),
    seq(timeOf(fromAt), timeOf(toAt)),
    nameOf(cn),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, seq(extension('551d13', true, seq(...(isCa ? [YES] : []))), extension('551d11', false, names))),
  )
  const signature = sign('sha256', tbs, by?.secret ?? privateKey)
  const whole = seq(tbs, ECDSA_SHA256, der(0x03, Buffer.of(0), signature))
  const lines = whole.toString('base64').match(/.{1,64}/g) as string[]
  return {
    cn,
    cert: `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    secret: privateKey,
  }
}
