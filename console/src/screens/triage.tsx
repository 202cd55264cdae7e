/** One place to act on rows: what speaks against each, side by side; a choice goes onto a branch, is tried, and is merged or dropped. */
import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { triageQuery } from '../api/queries.ts'
import type { TriageView, TriageWorth } from '../api/types.ts'
import { compact, count, share, shortDigest } from '../format/numbers.ts'
import { Command } from '../parts/copy.tsx'
import { Ask, Empty, Page, Section, Stat } from '../parts/page.tsx'
import { Sign } from '../parts/signs.tsx'
import { Go, useParam } from '../shell/go.tsx'
import { hrefs } from '../shell/hrefs.ts'
import { Branches } from './triage-branches.tsx'
import { TRIAGE_PAGE, TriageRows } from './triage-rows.tsx'

export function Triage() {
  const { name } = useParams({ strict: false }) as { name: string }
  const [finding] = useParam('finding')
  const [where] = useParam('where')
  const all = useQuery(triageQuery(name, { finding: '', where: '', from: 0, limit: TRIAGE_PAGE }))
  const crumbs = [{ label: 'Data', href: hrefs.data() }]
  return (
    <Ask query={all} title={`Triage: ${name}`} crumbs={crumbs}>
      {(view) => (
        <Page
          title={`Triage: ${name}`}
          crumbs={[...crumbs, { label: view.dataset, href: hrefs.dataset(view.dataset) }]}
          sentence={view.sentence}
          sign={view.isBehind ? <Sign icon="half" word="main has moved since" tone="warn" /> : undefined}
          actions={<Models view={view} />}
        >
          <Worth view={view} />
          <Branches view={view} />
          {view.found === 0 ? (
            <Empty title="Nothing speaks against any row" />
          ) : (
            <TriageRows view={view} finding={finding} where={where} />
          )}
          {view.notes.map((note) => (
            <p key={note} className="note">
              {note}
            </p>
          ))}
        </Page>
      )}
    </Ask>
  )
}

/** The other models that this dataset feeds, and the version whose rows these are. */
function Models({ view }: { view: TriageView }) {
  const others = view.models.filter((model) => model !== view.model)
  return (
    <>
      <Go href={hrefs.datasetVersion(view.dataset, view.version)} className="button">
        Version {shortDigest(view.version)}
      </Go>
      {others.map((model) => (
        <Go key={model} href={hrefs.triage(model)} className="button">
          As {model} judges
        </Go>
      ))}
    </>
  )
}

function Worth({ view }: { view: TriageView }) {
  if (view.model === null) return null
  if (view.worth === null)
    return (
      <Section title="Worth of rows">
        <p className="soft">
          The rows that train {view.model} were not judged yet. Judging finds wrong labels, copies, outliers,
          what each row is worth, and what to collect:
        </p>
        <Command text={`millrace data worth ${view.model}`} />
      </Section>
    )
  return <WorthFound model={view.model} worth={view.worth} />
}

function WorthFound({ model, worth }: { model: string; worth: TriageWorth }) {
  const { labels, copies, collect } = worth
  return (
    <Section
      title="Worth of rows"
      note={`${count(worth.rows)} rows that train ${model}, each judged by a model that did not learn from it. Rows that test it were not looked at.`}
    >
      <dl className="stats">
        <Stat label="Labels probably wrong" note={`${share(labels.noise)} of labels estimated wrong`}>
          {count(labels.issues)} <span className="small muted">of {compact(labels.judged)}</span>
        </Stat>
        <Stat label="More harm than good" note="worth below 0 to the validation rows">
          {count(worth.negative)}
        </Stat>
        <Stat label="Copies" note={`${count(copies.conflicting)} with different labels`}>
          {count(copies.exact)}{' '}
          <span className="small muted">and {count(copies.near - copies.exact)} near</span>
        </Stat>
        <Stat label="Outliers">{count(worth.outliers)}</Stat>
      </dl>
      {collect.length > 0 && (
        <div className="stack-tight">
          <h3>Collect more of</h3>
          <ul className="collect">
            {collect.map((slice) => (
              <li key={slice.slice}>
                <span className="name">{slice.slice}</span>
                <span className="small muted">{count(slice.rows)} rows</span>
                <span className="num">
                  +{share(slice.gain)}{' '}
                  <span className="small muted">
                    right votes by as many again, {share(slice.interval[0])} to {share(slice.interval[1])}
                  </span>
                </span>
              </li>
            ))}
          </ul>
        </div>
      )}
    </Section>
  )
}
