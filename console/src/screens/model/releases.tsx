/** How a version reaches the traffic: the road, who answers how much, what the test says so far, and every release before. */
import type { ModelPage, Release } from '../../api/types.ts'
import { River, RiverNames, riverEnd } from '../../charts/river.tsx'
import { Stepper } from '../../charts/stepper.tsx'
import { plural, shortDigest, weight } from '../../format/numbers.ts'
import { exact } from '../../format/times.ts'
import { Command } from '../../parts/copy.tsx'
import { Figure, Scroll } from '../../parts/figure.tsx'
import { Findings, verdictCounts } from '../../parts/findings.tsx'
import { Chips, Empty, Section } from '../../parts/page.tsx'
import { ReleaseStateSign } from '../../parts/signs.tsx'
import { Ago, useNow } from '../../parts/time.tsx'
import { Go, useParam } from '../../shell/go.tsx'
import { hrefs } from '../../shell/hrefs.ts'

export function Releases({ page }: { page: ModelPage }) {
  if (page.release === null || page.parent !== null) {
    return page.parent === null ? (
      <Empty
        title="Never released"
        commands={[page.versions.length === 0 ? page.commands.train : page.commands.promote]}
      >
        A version that passed its gates can be put to work: it shadows, takes a small share, and goes live
        when the test says so.
      </Empty>
    ) : (
      <Empty title="Released with its family">
        Members move together.{' '}
        <Go href={hrefs.model(page.parent, 'releases')} className="link">
          Releases of {page.parent}
        </Go>
      </Empty>
    )
  }
  return (
    <>
      <Current release={page.release} page={page} />
      <Traffic page={page} />
      <Past page={page} />
    </>
  )
}

function Current({ release, page }: { release: Release; page: ModelPage }) {
  const moving = ['shadow', 'canary', 'paused'].includes(release.state)
  return (
    <Section title={moving ? 'Release in progress' : 'The last release'} note={release.reason}>
      <Stepper release={release} />
      <ul className="routes">
        {release.routes.map((route) => (
          <li key={`${route.version} ${route.role}`}>
            <span className="name">v{route.version}</span>
            <span className="soft">{route.role}</span>
            <span className="route-lane" aria-hidden="true">
              <i
                className={route.role === 'live' ? '' : 'route-new'}
                style={{ width: `${route.weight * 100}%` }}
              />
            </span>
            <span className="num">{route.role === 'shadow' ? 'copies only' : weight(route.weight)}</span>
          </li>
        ))}
      </ul>
      {release.findings.length > 0 ? (
        <div className="stack-tight">
          <h3>{moving ? 'What the test says so far' : 'What opened the way'}</h3>
          <p className="note">
            {verdictCounts(release.findings)}.
            {moving &&
              ' The intervals hold however often they are looked at, so looking early costs nothing.'}
          </p>
          <Findings findings={release.findings} />
        </div>
      ) : (
        moving && (
          <p className="note">No finding of the test yet: it needs answers with outcomes on both sides.</p>
        )
      )}
      <Compared release={release} page={page} />
      <div className="commands">
        <Command text={page.commands.rollback} />
        {moving && <Command text={page.commands.promote} />}
      </div>
    </Section>
  )
}

/** The two versions that the release is about, or the live one and the one before. */
function Compared({ release, page }: { release: Release; page: ModelPage }) {
  const versions = release.routes.map(({ version }) => version)
  const [to] = [...versions].sort((a, b) => b - a)
  const from = Math.max(
    ...[...versions, ...page.versions.map(({ version }) => version)].filter((version) => version < to!),
  )
  if (to === undefined || !Number.isFinite(from)) return null
  return (
    <Go href={hrefs.modelDiff(page.model, from, to)} className="link">
      Which answers change from v{from} to v{to}, and on which slices
    </Go>
  )
}

function Traffic({ page }: { page: ModelPage }) {
  const [by, setBy] = useParam('by', 'time')
  const now = useNow()
  if (page.releases.length === 0) return null
  const scale = by === 'change' ? 'change' : 'time'
  const until = riverEnd(
    page.releases.map((r) => r.at),
    now,
  )
  return (
    <Section>
      <Figure
        title="Who answered the traffic"
        note="Shares by version, stacked to one. The newer the version, the stronger its colour."
        table={() => ({
          columns: ['at', 'state', 'version', 'role', 'weight'],
          rows: page.releases.flatMap((r) =>
            r.release.routes.map((route) => [
              exact(r.at),
              r.release.state,
              route.version,
              route.role,
              route.weight,
            ]),
          ),
        })}
        tools={
          <Chips label="Scale">
            {(['time', 'change'] as const).map((name) => (
              <button
                key={name}
                type="button"
                className="chip"
                aria-pressed={scale === name}
                onClick={() => setBy(name)}
              >
                by {name}
              </button>
            ))}
          </Chips>
        }
      >
        <div className="river-box">
          <River releases={page.releases} by={scale} until={until} />
          <RiverNames releases={page.releases} by={scale} until={until} />
        </div>
      </Figure>
    </Section>
  )
}

/** `v6 90 % · v7 10 %, both shadowed`: who answers how much, and which versions score copies of all requests. */
function routesInWords({ routes }: Release): string {
  const answers = routes.filter((r) => r.role !== 'shadow')
  const shadows = routes.filter((r) => r.role === 'shadow')
  const split = answers.map((r) => `v${r.version} ${weight(r.weight)}`).join(' · ')
  if (shadows.length === 0) return split
  if (shadows.length === 2 && answers.length === 2) return `${split}, both shadowed`
  return `${split}, ${shadows.map((r) => `v${r.version}`).join(' and ')} in the shadow`
}

function Past({ page }: { page: ModelPage }) {
  const newest = [...page.releases].sort((a, b) => b.at - a.at)
  return (
    <Section
      title={plural(newest.length, 'step')}
      note="Every move of the routes, newest first, with its reason."
    >
      <Scroll label="Releases">
        <table className="table table-rows">
          <thead>
            <tr>
              <th scope="col">When</th>
              <th scope="col">State</th>
              <th scope="col">Routes</th>
              <th scope="col">Why</th>
              <th scope="col">Record</th>
            </tr>
          </thead>
          <tbody>
            {newest.map((entry) => (
              <tr key={`${entry.digest} ${entry.at}`}>
                <td>
                  <Ago at={entry.at} />
                </td>
                <td>
                  <ReleaseStateSign state={entry.release.state} />
                </td>
                <td className="nowrap">{routesInWords(entry.release)}</td>
                <td className="soft why-cell">{entry.release.reason}</td>
                <td className="mono muted" title={entry.digest}>
                  {shortDigest(entry.digest)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Section>
  )
}
