/** Hosts as they are written on the command line: `a:8080,b:8080=2`, the weight behind the address where it is not 1. */
import { MillraceError } from '../../core/errors.ts'
import type { Host } from './rendezvous.ts'

export const HOSTS_MAX = 1_000
const HOST = /^(?<address>[\w.-]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5})(?:=(?<weight>\d+(?:\.\d+)?))?$/

/** Errors: MR_SERVE_HOSTS for what is no list of hosts, or names one twice. */
export function readHosts(text: string): Host[] {
  const hosts = text
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '')
    .map(readHost)
  const twice = hosts.find(({ address }, i) => hosts.findIndex((one) => one.address === address) < i)
  if (twice) throw new MillraceError('MR_SERVE_HOSTS', { need: 'each host once', got: twice.address })
  if (hosts.length === 0 || hosts.length > HOSTS_MAX)
    throw new MillraceError('MR_SERVE_HOSTS', { need: `1 to ${HOSTS_MAX} hosts`, got: `${hosts.length}` })
  return hosts
}

function readHost(text: string): Host {
  const found = HOST.exec(text)?.groups
  const weight = Number(found?.weight ?? 1)
  if (!found || !(weight > 0))
    throw new MillraceError('MR_SERVE_HOSTS', {
      need: 'name:port, or name:port=weight',
      got: text.slice(0, 64),
    })
  return { address: found.address, weight }
}

/** One address, `name:port`. Errors: MR_SERVE_HOSTS. */
export function readAddress(text: string): string {
  const { address } = readHost(text)
  if (address === text) return address
  throw new MillraceError('MR_SERVE_HOSTS', { need: 'name:port', got: text.slice(0, 64) })
}

/** This host among the others. Errors: MR_SERVE_HOSTS when it is not there. */
export function selfAmong(hosts: readonly Host[], self: string): string {
  if (hosts.some(({ address }) => address === self)) return self
  const need = `this host among ${hosts
    .map(({ address }) => address)
    .slice(0, 10)
    .join(', ')}`
  throw new MillraceError('MR_SERVE_HOSTS', { need, got: self })
}
