/** How the parameters were chosen: the trials of the last search, in a drawing and best first in a table. */
import { useQuery } from '@tanstack/react-query'
import { searchQuery } from '../../api/queries.ts'
import type { ModelPage, Search, SearchTrial } from '../../api/types.ts'
import { Trials as TrialsChart } from '../../charts/trials.tsx'
import { metricName, metricTitle } from '../../format/names.ts'
import { metric, plain, plural, share } from '../../format/numbers.ts'
import { Figure, Scroll } from '../../parts/figure.tsx'
import { Section } from '../../parts/page.tsx'
import { bestFirst } from './trial-order.ts'

/** Rows of the table; the CSV has all. */
const SHOWN_MAX = 12

export function Trials({ page }: { page: ModelPage }) {
  const { data } = useQuery({ ...searchQuery(page.model), enabled: page.parent === null })
  return data ? <Panel search={data} /> : null
}

function Panel({ search }: { search: Search }) {
  const names = [...new Set(search.trials.flatMap(({ params }) => Object.keys(params)))].sort()
  const title = metricTitle(search.metric)
  const ranked = bestFirst(search)
  const hidden = ranked.length - SHOWN_MAX
  return (
    <Section>
      <Figure
        title="Search of parameters"
        note={`${search.sentence}. ${plural(search.looks, 'measurement')} on ${plural(search.folds, 'part')} of the training window; rows that validate or test were not read. ${search.higherIsBetter ? 'Higher' : 'Lower'} is better; hollow dots were stopped early.`}
        table={() => ({
          columns: ['trial', search.metric, 'state', 'share', ...names],
          rows: search.trials.map((t) => [
            t.number + 1,
            t.value,
            t.state,
            t.share,
            ...names.map((name) => plain(t.params[name])),
          ]),
        })}
      >
        <TrialsChart search={search} metricName={metricName(search.metric)} />
        <Scroll label="Trials">
          <table className="table table-rows">
            <thead>
              <tr>
                <th scope="col" className="num">
                  Trial
                </th>
                <th scope="col" className="num">
                  {title}
                </th>
                <th scope="col">State</th>
                {names.map((name) => (
                  <th key={name} scope="col" className="num">
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {ranked.slice(0, SHOWN_MAX).map((trial) => (
                <tr key={trial.number}>
                  <td className="num">{trial.number + 1}</td>
                  <td className="num">{trial.value === null ? '–' : metric(trial.value)}</td>
                  <td title={trial.error ?? undefined}>
                    {trial.number === search.best ? 'chosen' : stateWords(trial)}
                  </td>
                  {names.map((name) => (
                    <td key={name} className="num">
                      {plain(trial.params[name])}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
        {hidden > 0 && <p className="note">And {plural(hidden, 'more trial')}: all by the buttons above.</p>}
      </Figure>
    </Section>
  )
}

function stateWords({ state, share: part }: SearchTrial): string {
  if (state === 'failed') return 'failed'
  if (state === 'done') return 'measured'
  return part < 1 ? `stopped at ${share(part)}` : 'stopped early'
}
