/** Requests for models of a fleet at random times of a rate, whatever is answered: an open loop, so that a server that is slow is not asked less. */
import { Agent, request } from 'node:http'
import { seededRng } from '../../dist/core/rng.js'
import { FLEET_BODY, fleetName } from '../data/fleet-models.ts'
import type { Served } from './served.ts'

export interface Answer {
  /** From when it was to be sent to its last byte. */
  ms: number
  status: number
  isCold: boolean
}

/** Sends at random times of a rate, whatever is answered, and waits for all answers. */
export async function openLoop(
  server: Pick<Served, 'port'>,
  rate: number,
  seconds: number,
  draw: () => number,
): Promise<Answer[]> {
  const rng = seededRng(Math.floor(performance.now()))
  const agent = new Agent({ keepAlive: true, maxSockets: 128 })
  const answers: Promise<Answer>[] = []
  const begun = performance.now()
  let next = begun
  while (next - begun < seconds * 1_000) {
    const wait = next - performance.now()
    if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait - 0.5))
    answers.push(ask(server.port, agent, draw(), next))
    next += (-Math.log(1 - rng.next()) / rate) * 1_000
  }
  const all = await Promise.all(answers)
  agent.destroy()
  return all
}

function ask(port: number, agent: Agent, model: number, dueMs: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const path = `/v2/models/${fleetName(model)}/infer`
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(FLEET_BODY) }
    const sent = request({ port, path, method: 'POST', agent, headers }, (answer) => {
      const isCold = answer.headers['server-timing'] !== undefined
      answer.resume()
      answer.on('end', () =>
        resolve({
          ms: performance.now() - Math.min(dueMs, performance.now()),
          status: answer.statusCode ?? 0,
          isCold,
        }),
      )
    })
    sent.on('error', reject)
    sent.end(FLEET_BODY)
  })
}
