/** Two versions of a model: what they are made of, and which answers moved, by how much and where. */
import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { modelDiffQuery, modelQuery } from '../../api/queries.ts'
import type { ModelDiff, ModelPage } from '../../api/types.ts'
import { Command } from '../../parts/copy.tsx'
import { Icon } from '../../parts/icons.tsx'
import { Ask, Empty, Page, Section } from '../../parts/page.tsx'
import { Go, useParam } from '../../shell/go.tsx'
import { hrefs } from '../../shell/hrefs.ts'
import { Answers } from './answers.tsx'
import { Made } from './made.tsx'

export function ModelDiffScreen() {
  const { model: asked } = useParams({ strict: false }) as { model: string }
  const model = asked.split('/')[0]!
  const query = useQuery(modelQuery(model))
  return (
    <Ask query={query} title="Two versions" crumbs={crumbsOf(model)}>
      {(page) => <Pair page={page} />}
    </Ask>
  )
}

const crumbsOf = (model: string) => [
  { label: 'Fleet', href: hrefs.fleet() },
  { label: model, href: hrefs.model(model, 'versions') },
]

/** Without being told: what is live against the newest, or the newest two. */
function usual({ versions }: ModelPage): [string, string] {
  const [newest, before] = versions
  const live = versions.find(({ state }) => state === 'live')
  const from = live && live !== newest ? live : before
  return [String(from?.version ?? ''), String(newest?.version ?? '')]
}

function Pair({ page }: { page: ModelPage }) {
  const [usualFrom, usualTo] = usual(page)
  const [givenFrom, setFrom] = useParam('from')
  const [givenTo, setTo] = useParam('to')
  const [from, to] = [givenFrom || usualFrom, givenTo || usualTo]
  const crumbs = crumbsOf(page.model)
  const query = useQuery({ ...modelDiffQuery(page.model, from, to), enabled: from !== '' && to !== '' })
  if (from === '' || to === '')
    return (
      <Page title="Two versions" name={`${page.model}: two versions`} crumbs={crumbs}>
        <Empty title="There is no second version yet" commands={[page.commands.train]}>
          Train {page.model} again, and what changed is told here: in its making and in its answers.
        </Empty>
      </Page>
    )
  const pick = (
    <Pick
      page={page}
      from={query.data ? String(query.data.before.version) : from}
      to={query.data ? String(query.data.after.version) : to}
      setFrom={setFrom}
      setTo={setTo}
    />
  )
  return (
    <Ask query={query} title={`${named(from)} → ${named(to)}`} crumbs={crumbs}>
      {(diff) => (
        <Page
          title={`${page.model} v${diff.before.version} → v${diff.after.version}`}
          crumbs={crumbs}
          sentence={leadOf(diff)}
          actions={pick}
        >
          <Answers diff={diff} />
          <Made diff={diff} />
          <Section title="The same on the command line">
            <Command text={diff.command} />
            <Command text={`${diff.command} --to moves.parquet`} />
          </Section>
        </Page>
      )}
    </Ask>
  )
}

const named = (which: string) => (/^\d+$/.test(which) ? `v${which}` : which)

/** What moved and whether that is better; before that is known, what was made otherwise. */
const leadOf = ({ words }: ModelDiff) =>
  words.moved === null ? words.made : [words.moved, words.measures].filter(Boolean).join(' ')

interface PickProps {
  page: ModelPage
  from: string
  to: string
  setFrom: (version: string) => void
  setTo: (version: string) => void
}

function Pick({ page, from, to, setFrom, setTo }: PickProps) {
  return (
    <div className="pick-two">
      <VersionSelect label="From" page={page} value={from} change={setFrom} />
      <VersionSelect label="To" page={page} value={to} change={setTo} />
      <Go href={hrefs.modelDiff(page.model, to, from)} className="button" title="The other way round">
        <Icon name="back" /> Turn round
      </Go>
    </div>
  )
}

interface VersionSelectProps {
  label: string
  page: ModelPage
  value: string
  change: (version: string) => void
}

function VersionSelect({ label, page, value, change }: VersionSelectProps) {
  return (
    <label className="pick-one">
      <span className="small muted">{label}</span>
      <select className="field" value={value} onChange={(event) => change(event.currentTarget.value)}>
        {page.versions.map(({ version, state }) => (
          <option key={version} value={String(version)}>
            v{version}
            {state === 'past' ? '' : ` · ${state}`}
          </option>
        ))}
      </select>
    </label>
  )
}
