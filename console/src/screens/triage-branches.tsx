/** Branches of a dataset: what each has put aside, what models say of it, and the two ways it can end. */
import { Checkbox, Select } from '@mantine/core'
import { useMutation, useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { post } from '../api/client.ts'
import { mergesQuery } from '../api/queries.ts'
import type { BranchRow, BranchTry, MergeRow, TriageView } from '../api/types.ts'
import { DotRows } from '../charts/dot-rows.tsx'
import { gainRows } from '../charts/gain-rows.ts'
import { metricTitle } from '../format/names.ts'
import { count, metric, plural, share, signed } from '../format/numbers.ts'
import { type Act, ActDialog } from '../parts/act.tsx'
import { MeasuredValue } from '../parts/measured.tsx'
import { Section } from '../parts/page.tsx'
import { Sign, VerdictSign } from '../parts/signs.tsx'
import { Ago } from '../parts/time.tsx'
import { Go } from '../shell/go.tsx'
import { hrefs } from '../shell/hrefs.ts'

type Asked = { verb: 'try' | 'merge' | 'drop'; branch: BranchRow }

export function Branches({ view }: { view: TriageView }) {
  const [asked, setAsked] = useState<Asked | null>(null)
  const [model, setModel] = useState(view.model ?? view.models[0] ?? '')
  const [cleanTest, setCleanTest] = useState(false)
  const act = asked && actOf(asked, { model, cleanTest, view, setModel, setCleanTest })
  return (
    <>
      {view.branches.length > 0 && (
        <Section
          title={plural(view.branches.length, 'branch', 'branches')}
          note="Rows are put aside on a branch while main stays as it is. Try what a model learns without them, then merge the branch into main or drop it."
        >
          {view.branches.map((branch) => (
            <Branch key={branch.branch} branch={branch} ask={(verb) => setAsked({ verb, branch })} />
          ))}
        </Section>
      )}
      <ActDialog act={act} close={() => setAsked(null)} />
    </>
  )
}

interface Choice {
  model: string
  cleanTest: boolean
  view: TriageView
  setModel: (model: string) => void
  setCleanTest: (clean: boolean) => void
}

function actOf({ verb, branch }: Asked, choice: Choice): Act {
  const path = `/api/datasets/${encodeURIComponent(branch.dataset)}/branches/${encodeURIComponent(branch.branch)}/${verb}`
  const name = `${branch.dataset}@${branch.branch}`
  if (verb === 'drop') return { title: `Drop ${name}`, verb: 'Drop', path, body: {} }
  if (verb === 'merge')
    return {
      title: `Merge ${name}`,
      verb: 'Merge',
      path,
      body: {},
      after: <p className="soft">The next training of its models learns from what main holds now.</p>,
    }
  return {
    title: `Try ${name}`,
    verb: 'Try',
    path,
    body: choice.model === '' ? null : { model: choice.model, cleanTest: choice.cleanTest },
    fields: <TryFields {...choice} />,
    after: <p className="soft">It goes on in the background; what comes of it appears beside the branch.</p>,
  }
}

function TryFields({ model, cleanTest, view, setModel, setCleanTest }: Choice) {
  return (
    <>
      {view.models.length > 1 && (
        <Select
          label="Model"
          data={view.models}
          value={model}
          onChange={(value) => setModel(value ?? '')}
          allowDeselect={false}
        />
      )}
      <Checkbox
        label="Rows that were put aside do not test either"
        description="A model that is tested on cleaned rows looks better than it will be"
        checked={cleanTest}
        onChange={(event) => setCleanTest(event.currentTarget.checked)}
      />
    </>
  )
}

function Branch({ branch, ask }: { branch: BranchRow; ask: (verb: Asked['verb']) => void }) {
  const { trying, failed, tries } = branch
  return (
    <article className="branch" aria-label={`Branch ${branch.branch}`}>
      <div className="branch-head">
        <div>
          <h3>
            <Go href={hrefs.datasetVersion(branch.dataset, branch.version)} className="row-link">
              {branch.branch}
            </Go>{' '}
            {branch.isBehind && <Sign icon="half" word="main has moved since" tone="warn" />}
            <Conflicts branch={branch} />
          </h3>
          <p className="small muted">
            {branch.message} · {count(branch.rows)} of {count(branch.baseRows)} rows ·{' '}
            <Ago at={branch.changedAt} /> ·{' '}
            <Go href={hrefs.diff(branch.dataset, branch.base, branch.version)} className="link">
              what differs
            </Go>
          </p>
        </div>
        <div className="branch-acts">
          <button type="button" className="button" onClick={() => ask('try')} disabled={trying !== null}>
            {tries.length > 0 ? 'Try again' : 'Try'}
          </button>
          <MergeButton branch={branch} ask={() => ask('merge')} />
          <button type="button" className="button" onClick={() => ask('drop')}>
            Drop
          </button>
        </div>
      </div>
      {trying && (
        <div className="branch-trying" role="status">
          <progress value={trying.done} max={1} aria-label={`Trying ${trying.model}`} />
          <span className="small muted">
            {trying.model}: {share(trying.done, 0)}, {trying.note}
          </span>
        </div>
      )}
      {failed && (
        <p className="small tone-warn">
          The try of {failed.model} came to nothing: <code>{failed.code}</code> {failed.message}. What to do:{' '}
          {failed.fix}
        </p>
      )}
      {tries.map((each) => (
        <Tried key={each.model} tried={each} />
      ))}
    </article>
  )
}

/** How much of a merge that waits is decided. */
function Conflicts({ branch }: { branch: BranchRow }) {
  const merge = useQuery(mergesQuery()).data?.find(
    (each) => each.dataset === branch.dataset && each.branch === branch.branch,
  )
  if (!merge) return null
  return (
    <Go href={hrefs.merge(merge.dataset, merge.into, merge.branch)} className="link small">
      {count(merge.decided)} of {plural(merge.conflicts, 'conflict')} decided
    </Go>
  )
}

/** Where main has moved since, conflicts may have to be decided first: then it leads there. */
function MergeButton({ branch, ask }: { branch: BranchRow; ask: () => void }) {
  const navigate = useNavigate()
  const begin = useMutation({
    mutationFn: () =>
      post<{ merge: MergeRow | null }>(`/api/datasets/${encodeURIComponent(branch.dataset)}/merges`, {
        branch: branch.branch,
      }),
    onSuccess: ({ merge }) => {
      if (merge === null) ask()
      else void navigate({ to: hrefs.merge(branch.dataset, merge.into, merge.branch) as never })
    },
    onError: ask,
  })
  return (
    <button
      type="button"
      className="button"
      disabled={begin.isPending}
      onClick={() => (branch.isBehind ? begin.mutate() : ask())}
    >
      Merge
    </button>
  )
}

function Tried({ tried }: { tried: BranchTry }) {
  const rows = gainRows(tried.metrics)
  return (
    <div className="branch-tried">
      <p>
        <VerdictSign verdict={tried.verdict} /> <strong>{tried.model}</strong> {tried.sentence}
      </p>
      <div className="branch-figures">
        <table className="table">
          <thead>
            <tr>
              <th scope="col">Metric</th>
              <th scope="col" className="num">
                main
              </th>
              <th scope="col" className="num">
                branch
              </th>
            </tr>
          </thead>
          <tbody>
            {tried.metrics.map((m) => (
              <tr key={m.metric}>
                <td>{metricTitle(m.metric)}</td>
                <td className="num">
                  <MeasuredValue name={`${metricTitle(m.metric)} of main`} of={m.base} />
                </td>
                <td className="num">
                  <MeasuredValue name={`${metricTitle(m.metric)} of the branch`} of={m.branch} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
        {rows.length > 0 && (
          <div>
            <p className="small muted">Gain of the branch, 95 % intervals over the test rows</p>
            <DotRows rows={rows} against={{ value: 0, label: 'none' }} write={(x) => signed(x, metric)} />
          </div>
        )}
      </div>
      <p className="small muted">
        Trained on {count(tried.rows.base.train)} and {count(tried.rows.branch.train)} rows;{' '}
        {tried.notes.join('; ')}.
      </p>
    </div>
  )
}
