/** States and verdicts: a shape and a word, with colour only as the third sign. */
import type { Alert, Fleet, Release, ReleaseState, RunRow, Verdict, VersionRow } from '../api/types.ts'
import { weight } from '../format/numbers.ts'
import { needsPerson } from '../format/sentences.ts'
import { Icon, type IconName } from './icons.tsx'

type Tone = 'calm' | 'ok' | 'warn' | 'act' | 'accent' | 'quiet'

interface SignProps {
  icon: IconName
  word: string
  tone: Tone
  dashed?: boolean
  title?: string
}

export function Sign({ icon, word, tone, dashed, title }: SignProps) {
  return (
    <span className={`sign tone-${tone}`} title={title}>
      <Icon name={icon} dashed={dashed} />
      <span>{word}</span>
    </span>
  )
}

const VERDICTS: Record<Verdict, Omit<SignProps, 'title'>> = {
  pass: { icon: 'check', word: 'pass', tone: 'ok' },
  fail: { icon: 'cross', word: 'fail', tone: 'warn' },
  inconclusive: { icon: 'ring', word: 'inconclusive', tone: 'calm', dashed: true },
  error: { icon: 'warn', word: 'error', tone: 'warn' },
}

export const VerdictSign = ({ verdict }: { verdict: Verdict }) => <Sign {...VERDICTS[verdict]} />

const RELEASES: Record<ReleaseState, Omit<SignProps, 'title'>> = {
  shadow: { icon: 'ring', word: 'shadow', tone: 'calm', dashed: true },
  canary: { icon: 'half', word: 'canary', tone: 'accent' },
  live: { icon: 'live', word: 'live', tone: 'ok' },
  paused: { icon: 'pause', word: 'paused', tone: 'warn' },
  'rolled-back': { icon: 'back', word: 'rolled back', tone: 'warn' },
  superseded: { icon: 'dot', word: 'superseded', tone: 'quiet' },
}

/** A release in two words: `canary v13 at 10 %`, `live v12`. */
export function ReleaseSign({ release, long }: { release: Release | null; long?: boolean }) {
  if (release === null) return <Sign icon="ring" dashed word="not released" tone="quiet" />
  const sign = RELEASES[release.state]
  const moving = release.routes.find(
    (route) => route.role === (release.state === 'shadow' ? 'shadow' : 'canary'),
  )
  const at = moving && release.state === 'canary' ? ` ${weight(moving.weight)}` : ''
  const name = long && moving ? ` v${moving.version}` : ''
  return <Sign {...sign} word={`${sign.word}${name}${at}`} />
}

export const ReleaseStateSign = ({ state }: { state: ReleaseState }) => <Sign {...RELEASES[state]} />

const VERSIONS: Record<VersionRow['state'], Omit<SignProps, 'title'>> = {
  live: RELEASES.live,
  canary: RELEASES.canary,
  shadow: RELEASES.shadow,
  past: { icon: 'dot', word: 'past', tone: 'quiet' },
  refused: { icon: 'cross', word: 'refused', tone: 'warn' },
}

export const VersionSign = ({ state }: { state: VersionRow['state'] }) => <Sign {...VERSIONS[state]} />

const RUNS: Record<RunRow['state'], Omit<SignProps, 'title'>> = {
  queued: { icon: 'ring', word: 'waiting', tone: 'calm', dashed: true },
  leased: { icon: 'half', word: 'at work', tone: 'accent' },
  done: { icon: 'check', word: 'done', tone: 'ok' },
  failed: { icon: 'cross', word: 'failed', tone: 'warn' },
  cancelled: { icon: 'dot', word: 'cancelled', tone: 'quiet' },
}

export const RunSign = ({ state }: { state: RunRow['state'] }) => <Sign {...RUNS[state]} />

export function AlertSign({ alert }: { alert: Alert }) {
  if (needsPerson(alert)) return <Sign icon="act" word="needs you" tone="act" />
  if (alert.state === 'raised') return <Sign icon="half" word="loop is on it" tone="accent" />
  if (alert.state === 'acknowledged') return <Sign icon="check" word="acknowledged" tone="calm" />
  return <Sign icon="check" word="resolved" tone="ok" />
}

const HEALTH: Record<Fleet['health'], Omit<SignProps, 'title'>> = {
  good: { icon: 'check', word: 'all good', tone: 'ok' },
  watch: { icon: 'half', word: 'worth watching', tone: 'warn' },
  act: { icon: 'act', word: 'needs you', tone: 'act' },
}

export const HealthSign = ({ health }: { health: Fleet['health'] }) => <Sign {...HEALTH[health]} />
