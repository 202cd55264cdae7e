/** One prediction, from its inputs to what it stands on. */
import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { whyQuery } from '../api/queries.ts'
import type { Why } from '../api/types.ts'
import { Force } from '../charts/force.tsx'
import { brief, count, plain, share, shortDigest } from '../format/numbers.ts'
import { answerOf, isBinary, outcomeOf, whySentence } from '../format/sentences.ts'
import { exact, windowDays } from '../format/times.ts'
import { Command, CopyButton } from '../parts/copy.tsx'
import { DataTable, Figure } from '../parts/figure.tsx'
import { Findings } from '../parts/findings.tsx'
import { Ask, Page, Section, Stat } from '../parts/page.tsx'
import { Ago } from '../parts/time.tsx'
import { Go } from '../shell/go.tsx'
import { hrefs } from '../shell/hrefs.ts'

export function WhyScreen() {
  const { id } = useParams({ strict: false }) as { id: string }
  const query = useQuery(whyQuery(id))
  const crumbs = [{ label: 'Fleet', href: hrefs.fleet() }]
  return (
    <Ask query={query} title="Why" crumbs={crumbs}>
      {(why) => (
        <Page
          title="Why this prediction"
          name={`Why ${id}`}
          crumbs={[...crumbs, { label: why.model, href: hrefs.model(why.model) }]}
          sentence={whySentence(why)}
        >
          <Section>
            <dl className="stats">
              <Stat label="Prediction" note={<span className="mono">{why.id}</span>}>
                <strong>{answerOf(why)}</strong>
              </Stat>
              {why.probabilities && (
                <Stat label="Next likeliest" note={`of ${Object.keys(why.probabilities).length} classes`}>
                  {runnerUp(why.probabilities)}
                </Stat>
              )}
              <Stat label="Outcome" note={why.outcome ? <Ago at={why.outcome.at} /> : 'arrives as feedback'}>
                {why.outcome ? outcomeOf(why) : 'not known yet'}
              </Stat>
              <Stat label="Answered by" note={`route ${why.route}`}>
                <Go
                  href={hrefs.model(why.member === '' ? why.model : `${why.model}/${why.member}`)}
                  className="link"
                >
                  {why.member === '' ? why.model : `${why.model}/${why.member}`}
                </Go>{' '}
                <Go href={hrefs.model(why.model, 'versions', { a: why.version })} className="link">
                  v{why.version}
                </Go>
              </Stat>
              <Stat label="When" note={exact(why.at)}>
                <Ago at={why.at} />
              </Stat>
            </dl>
          </Section>
          <Section>
            <Figure
              title={why.label === undefined ? 'What made it so' : `What made it ${why.label}`}
              note={partsNote(why)}
              table={() => ({
                columns: ['feature', 'value', 'contribution'],
                rows: why.explanation.contributions.map((c) => [c.feature, c.value, c.contribution]),
              })}
            >
              <Force
                explanation={why.explanation}
                inputs={why.inputs}
                output={why.output}
                binary={isBinary(why) || why.label !== undefined}
              />
            </Figure>
          </Section>
          <div className="two">
            <Section title="Inputs" note="As the client sent them.">
              <DataTable
                label="Inputs"
                table={{
                  columns: ['input', 'value'],
                  rows: Object.entries(why.inputs).map(([name, value]) => [name, plain(value)]),
                }}
              />
            </Section>
            <Section title="Features" note="As the model saw them.">
              <DataTable
                label="Features"
                table={{
                  columns: ['feature', 'value'],
                  rows: Object.entries(why.features).map(([name, value]) => [name, brief(value, 4)]),
                }}
              />
            </Section>
          </div>
          <StandsOn why={why} />
        </Page>
      )}
    </Ask>
  )
}

/** What the parts are of, whether they add up, and what stood in their way. */
function partsNote({ explanation: { scale, exact, residual, fallback } }: Why): string {
  const sum = Math.abs(residual) > 1e-9 ? `Residual ${plain(residual)}.` : 'The parts add up exactly.'
  const how = exact ? '' : ' They are estimates, by samples of training rows.'
  return `From base to raw score, largest first; then calibrated to the answer. Scale: ${scale}. ${sum}${how}${fallback ? ` ${fallback}.` : ''}`
}

function runnerUp(probabilities: Record<string, number>): string {
  const second = Object.entries(probabilities).sort((a, b) => b[1] - a[1])[1]
  return second ? `${second[0]} (${share(second[1])})` : 'none'
}

function StandsOn({ why }: { why: Why }) {
  return (
    <Section title="What it stands on">
      <dl className="stats">
        <Stat
          label="Data"
          note={`${count(why.trainedOn.rows)} rows, ${windowDays(why.trainedOn.fromAt, why.trainedOn.toAt)}`}
        >
          <Go href={hrefs.datasetVersion(why.trainedOn.dataset, why.trainedOn.version)} className="link">
            {why.trainedOn.dataset}@{shortDigest(why.trainedOn.version)}
          </Go>
        </Stat>
        <Stat label="Run">
          <Go href={hrefs.runs({ run: why.run })} className="link mono">
            {shortDigest(why.run)}
          </Go>
        </Stat>
        <Stat label="Model version">
          <span className="mono">{shortDigest(why.modelVersion)}</span>{' '}
          <CopyButton text={why.modelVersion} label="Copy digest" />
        </Stat>
      </dl>
      {why.gates.length > 0 && (
        <div className="stack-tight">
          <h3>Its gates</h3>
          <Findings findings={why.gates} />
        </div>
      )}
      <div className="stack-tight">
        <h3>The same on the command line</h3>
        <Command text={why.command} />
      </div>
    </Section>
  )
}
