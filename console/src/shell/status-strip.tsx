/**
 * One line of fixed height that always says how things are this second: the running story, else the pulse, else that nothing is heard.
 * Because the place is always kept, news never moves the page.
 */
import { useLive } from '../api/live.ts'
import { latency, perSecond, share } from '../format/numbers.ts'
import { clock, duration } from '../format/times.ts'
import { Icon } from '../parts/icons.tsx'

export function StatusStrip() {
  const state = useLive((live) => live.state)
  const story = useLive((live) => live.progress)
  if (state === 'offline') return <Offline />
  if (story !== null && (story.step < story.steps || story.done < 1)) return <Story />
  return <PulseLine />
}

function Offline() {
  const heardAt = useLive((live) => live.heardAt)
  return (
    <div className="strip-line strip-offline" role="status">
      <Icon name="offline" />
      <span className="cut">
        <strong>Offline</strong> {heardAt === null ? 'and not reached yet' : `since ${clock(heardAt)}`}
        <span className="strip-more">
          {heardAt === null ? '' : ' · numbers are as of then'} · trying again
        </span>
      </span>
    </div>
  )
}

function Story() {
  const story = useLive((live) => live.progress)!
  return (
    <div
      className="strip-line strip-story"
      role="status"
      aria-label={`Step ${story.step} of ${story.steps}: ${story.title}`}
    >
      <span className="strip-step nowrap">
        {story.step} / {story.steps}
      </span>
      <span className="cut">
        <strong>{story.title}</strong>
        <span className="strip-more soft"> {story.note}</span>
      </span>
      <progress className="strip-bar" max={1} value={story.done} aria-label="Done of this step" />
      <span className="num soft strip-eta">
        {story.etaMs === null ? share(story.done, 0) : `${duration(story.etaMs)} left`}
      </span>
    </div>
  )
}

function PulseLine() {
  const pulse = useLive((live) => live.pulse)
  const state = useLive((live) => live.state)
  if (state === 'connecting' || pulse === null) {
    return <div className="strip-line muted">connecting…</div>
  }
  return (
    <div className="strip-line" title={`as of ${clock(pulse.at)}`}>
      <span className="beat" aria-hidden="true" />
      <span className="sr">Live.</span>
      <span className="pulse-figure">
        <b>{perSecond(pulse.requestsPerSecond)}</b> <span className="muted">requests</span>
      </span>
      <span className="pulse-figure strip-more">
        <b>{perSecond(pulse.predictionsPerSecond)}</b> <span className="muted">predictions</span>
      </span>
      <span className="pulse-figure">
        <b>{latency(pulse.latencyMsP99)}</b> <span className="muted">p99</span>
      </span>
    </div>
  )
}
