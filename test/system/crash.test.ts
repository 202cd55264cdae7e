/**
 * `kill -9` at any moment of the story. Several lives, each killed again and again until it completes; after each kill the state is opened and held to
 * the laws. At the end every life must have led to what a life without a kill leads to.
 *
 * CRASH_KILLS (8) kills in total, CRASH_SEED the moments.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { seededRng } from '../../src/core/rng.ts'
import { type Story, startStory, writeSmallFlights } from '../fixtures/small-flights/small-flights.ts'
import { checkWhole, type Outcome, outcomeOf } from '../fixtures/whole-state.ts'

const KILLS = Number(process.env.CRASH_KILLS ?? 8)
const SEED = Number(process.env.CRASH_SEED ?? Date.now() % 1_000_000)
const UNTIL = '2001-04-18'
/** Share of kills that come while the process is still starting. */
const EARLY = 0.15
const STORY_MS_MAX = 60_000

let dir: string
let file: string
let undisturbed: Outcome

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'millrace-crash-'))
  file = join(dir, 'flights.parquet')
  await writeSmallFlights(file)
  const life = lifeIn('undisturbed')
  const story = startStory(life)
  expect(await story.ended, story.problems()).toBe(0)
  expect((await checkWhole(life.state, life.answered)).faults).toEqual([])
  undisturbed = await outcomeOf(life.state)
}, 120_000)

afterAll(() => rmSync(dir, { recursive: true, force: true }))

test(`${KILLS} kills lose nothing that was acknowledged, repeat no step, and change no outcome`, async () => {
  console.log(`crash test: CRASH_KILLS=${KILLS} CRASH_SEED=${SEED}`)
  const random = seededRng(SEED)
  const moments = new Map<string, number>()
  let kills = 0
  let lives = 0
  while (kills < KILLS) {
    const life = lifeIn(`life-${++lives}`)
    for (;;) {
      const story = startStory(life)
      const last = kills >= KILLS
      const ended = last ? await story.ended : await killed(story, random)
      if (ended !== null) {
        expect(ended, story.problems()).toBe(0)
        break
      }
      kills++
      const moment = momentOf(story)
      moments.set(moment, (moments.get(moment) ?? 0) + 1)
      const { faults } = await checkWhole(life.state, life.answered)
      expect(faults, `seed ${SEED}, life ${lives}, kill ${kills}, ${moment}`).toEqual([])
    }
    expect((await checkWhole(life.state, life.answered)).faults).toEqual([])
    expectSame(await outcomeOf(life.state), undisturbed)
    rmSync(life.state, { recursive: true })
  }
  console.log(`${kills} kills in ${lives} lives: ${[...moments].map(([m, n]) => `${n} ${m}`).join(', ')}`)
}, 600_000)

function lifeIn(name: string) {
  return { file, state: join(dir, name), until: UNTIL, answered: join(dir, `${name}.answered`) }
}

/** Kills a story at a random moment; its exit code when it was faster. */
async function killed(story: Story, random: ReturnType<typeof seededRng>): Promise<number | null> {
  const early = random.next() < EARLY
  const waitMs = early ? random.next() * 1200 : random.next() ** 2 * 2500
  const begunMs = Date.now()
  while (!early && story.said.length === 0 && story.process.exitCode === null) {
    if (Date.now() - begunMs > STORY_MS_MAX) throw new Error(`the story said nothing: ${story.problems()}`)
    await delay(10)
  }
  await Promise.race([delay(waitMs), story.ended])
  story.process.kill('SIGKILL')
  return await story.ended
}

/** What a story was at when it ended, by the steps it told. */
function momentOf({ said }: Story): string {
  if (said.length === 0) return 'while starting'
  const step = Number(said.findLast((line) => 'step' in line)?.step ?? 0) + 1
  const line = String(said.at(-1)?.line ?? '')
  return `in step ${step}${/retraining:|delivery:/.test(line) ? ' while training again' : ''}`
}

/**
 * The same models were trained, and the same was asked and came true in the same windows. Which of two versions answered a request in a canary is left out:
 * the split goes by when its evidence was looked at, and a life that was interrupted looks at other moments.
 */
function expectSame(got: Outcome, expected: Outcome): void {
  expect(comparable(got)).toEqual(comparable(expected))
}

function comparable({ versions, graph, windows }: Outcome) {
  const asked = windows.map(({ window, predictions, joined, refused, meanActual }) => ({
    window,
    predictions,
    joined,
    refused,
    meanActual: Number(meanActual.toPrecision(9)),
  }))
  return { versions, graph, asked }
}
