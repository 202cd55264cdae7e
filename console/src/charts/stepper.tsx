/** Where a release stands: shadow, the canary's steps, live, or where it left the road. */
import type { Release } from '../api/types.ts'
import { weight } from '../format/numbers.ts'
import { Icon, type IconName } from '../parts/icons.tsx'

interface Step {
  name: string
  state: 'past' | 'skipped' | 'now' | 'ahead' | 'left'
}

function releaseSteps(release: Release): Step[] {
  const names = ['shadow', ...release.steps.map((s) => `canary ${weight(s)}`), 'live']
  const at = placeOf(release, names.length)
  const first = release.state === 'live' && release.previous === undefined
  const left = release.state === 'rolled-back' || release.state === 'paused'
  return names.map((name, i) => ({
    name,
    state: i < at ? (first ? 'skipped' : 'past') : i > at ? 'ahead' : left ? 'left' : 'now',
  }))
}

function placeOf(release: Release, length: number): number {
  if (release.state === 'live' || release.state === 'superseded') return length - 1
  return release.state === 'shadow' ? 0 : Math.max(0, Math.min(length - 2, release.step + 1))
}

const ICONS: Record<Step['state'], IconName> = {
  past: 'check',
  skipped: 'dot',
  now: 'live',
  ahead: 'ring',
  left: 'back',
}
const WORDS: Record<Step['state'], string> = {
  past: 'done',
  skipped: 'not needed',
  now: 'here',
  ahead: 'to come',
  left: 'stopped here',
}

export function Stepper({ release }: { release: Release }) {
  return (
    <ol className="stepper" aria-label="Release steps">
      {releaseSteps(release).map((step) => (
        <li
          key={step.name}
          className={`step step-${step.state}`}
          aria-current={step.state === 'now' ? 'step' : undefined}
        >
          <Icon name={step.state === 'left' && release.state === 'paused' ? 'pause' : ICONS[step.state]} />
          <span className="step-name">{step.name}</span>
          <span className="small muted">
            {step.state === 'left'
              ? release.state === 'paused'
                ? 'paused here'
                : 'rolled back here'
              : WORDS[step.state]}
          </span>
        </li>
      ))}
    </ol>
  )
}
