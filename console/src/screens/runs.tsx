/** The work: what is running, what was done, how long it took, on one line of time. */
import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { runsQuery } from '../api/queries.ts'
import type { RunRow } from '../api/types.ts'
import { busyScale } from '../charts/scale.ts'
import { toCsv } from '../format/csv.ts'
import { count, shortDigest } from '../format/numbers.ts'
import { runsSentence } from '../format/sentences.ts'
import { clock, duration, exact } from '../format/times.ts'
import { CopyButton } from '../parts/copy.tsx'
import { Door } from '../parts/door.tsx'
import { Icon } from '../parts/icons.tsx'
import { Ask, Chips, Empty, Page, Section } from '../parts/page.tsx'
import { RunSign } from '../parts/signs.tsx'
import { Ago, useNow } from '../parts/time.tsx'
import { VCell, VirtualRows } from '../parts/virtual-rows.tsx'
import { useParam } from '../shell/go.tsx'

const RUNS_MAX = 1000
const STATES: RunRow['state'][] = ['leased', 'queued', 'done', 'failed', 'cancelled']
const STATE_WORDS: Record<RunRow['state'], string> = {
  leased: 'at work',
  queued: 'waiting',
  done: 'done',
  failed: 'failed',
  cancelled: 'cancelled',
}

export function Runs() {
  const query = useQuery({ ...runsQuery(RUNS_MAX), refetchInterval: 5_000 })
  return (
    <Ask query={query} title="Runs">
      {(runs) =>
        runs.length === 0 ? (
          <Page title="Runs">
            <Empty title="Nothing has run yet" commands={['millrace plan', 'millrace run']}>
              plan shows what a run would do without doing it; run does it, and never the same work twice.
            </Empty>
          </Page>
        ) : (
          <Page title="Runs" sentence={runsSentence(runs)}>
            <RunTable runs={runs} />
          </Page>
        )
      }
    </Ask>
  )
}

function RunTable({ runs }: { runs: RunRow[] }) {
  const [state, setState] = useParam('state')
  const [task, setTask] = useParam('task')
  const [run, setRun] = useParam('run')
  const now = useNow()
  const tasks = useMemo(() => [...new Set(runs.map((r) => r.task))].sort(), [runs])
  const shown = useMemo(
    () =>
      runs.filter(
        (r) =>
          (state === '' || r.state === state) &&
          (task === '' || r.task === task) &&
          (run === '' || r.spec === run),
      ),
    [runs, state, task, run],
  )
  const line = useMemo(() => timeLine(shown, now), [shown, now])
  const table = () => ({
    columns: ['run', 'task', 'title', 'state', 'started', 'ended', 'cpu ms', 'error'],
    rows: shown.map((r) => [
      r.spec,
      r.task,
      r.title,
      r.state,
      r.startedAt === null ? null : exact(r.startedAt),
      r.endedAt === null ? null : exact(r.endedAt),
      r.cpuMs,
      r.error,
    ]),
  })
  return (
    <Section flush>
      <div className="filters">
        <Chips label="State">
          <button type="button" className="chip" aria-pressed={state === ''} onClick={() => setState('')}>
            all <span className="muted">{count(runs.length)}</span>
          </button>
          {STATES.map((name) => (
            <button
              key={name}
              type="button"
              className="chip"
              aria-pressed={state === name}
              onClick={() => setState(name)}
            >
              {STATE_WORDS[name]}{' '}
              <span className="muted">{count(runs.filter((r) => r.state === name).length)}</span>
            </button>
          ))}
        </Chips>
        {run !== '' && (
          <button type="button" className="chip" aria-pressed="true" onClick={() => setRun('')}>
            run {shortDigest(run)} <Icon name="cross" size={12} />
            <span className="sr">, show all</span>
          </button>
        )}
        <select
          className="field"
          aria-label="Task"
          value={task}
          onChange={(event) => setTask(event.currentTarget.value)}
        >
          <option value="">every task</option>
          {tasks.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
        <CopyButton text={() => toCsv(table())} label="Copy CSV" />
      </div>
      <VirtualRows
        label="Runs"
        layout="run-rows"
        columns="112px minmax(180px, 2fr) minmax(140px, 1.4fr) 88px 88px 96px"
        head={[
          { key: 'state', label: 'State' },
          { key: 'what', label: 'What' },
          { key: 'line', label: line.label },
          { key: 'took', label: 'Took', numeric: true },
          { key: 'cpu', label: 'CPU', numeric: true },
          { key: 'when', label: 'Began', numeric: true },
        ]}
        count={shown.length}
        rowHeight={44}
        rowHeightNarrow={88}
        rowKey={(i) => `${shown[i]!.spec} ${shown[i]!.startedAt}`}
        row={(i) => <RunCells run={shown[i]!} at={line.at} now={now} />}
      />
      {shown.length === 0 && (
        <p className="note">
          {run === ''
            ? 'No run is like this.'
            : `Run ${shortDigest(run)} is older than the last ${count(runs.length)}.`}
        </p>
      )}
    </Section>
  )
}

/** The shown runs on one line of busy time, in per cent. */
function timeLine(runs: readonly RunRow[], now: number) {
  const spans = runs.flatMap((r) =>
    r.startedAt === null ? [] : [[r.startedAt, Math.max(r.startedAt, r.endedAt ?? now)] as const],
  )
  const from = Math.min(...spans.map((s) => s[0]))
  const to = Math.max(...spans.map((s) => s[1]))
  return {
    label:
      spans.length === 0 ? 'Time' : `${clock(from).slice(0, 5)} to ${clock(to).slice(0, 5)}, idle time cut`,
    at: busyScale(spans),
  }
}

function RunCells({ run, at, now }: { run: RunRow; at: (moment: number) => number; now: number }) {
  const end = run.endedAt ?? now
  const took = run.startedAt === null ? null : Math.max(0, end - run.startedAt)
  return (
    <>
      <VCell className="c-state">
        <RunSign state={run.state} />
      </VCell>
      <VCell className="c-what">
        <Door
          label={`${run.title}: about this run`}
          facts={{
            title: run.title,
            rows: [
              ['task', run.task],
              ['spec', run.spec],
              ['began', run.startedAt === null ? 'not yet' : exact(run.startedAt)],
              ['ended', run.endedAt === null ? 'not yet' : exact(run.endedAt)],
              ...(run.error ? [['error', run.error] as [string, string]] : []),
            ],
          }}
        >
          <span className="cut">{run.title}</span>
        </Door>
        <span className={`small cut ${run.error ? 'tone-warn' : 'muted'}`}>
          {run.error ??
            (run.progress && run.state === 'leased'
              ? `${Math.round(run.progress.done * 100)} % · ${run.progress.note}`
              : `${run.task} · ${shortDigest(run.spec)}`)}
        </span>
      </VCell>
      <VCell className="c-line">
        {run.startedAt !== null && (
          <span className="run-lane" aria-hidden="true">
            <i
              className={`run-bar run-${run.state}`}
              style={{
                left: `${at(run.startedAt)}%`,
                width: `${Math.max(0.5, at(end) - at(run.startedAt))}%`,
              }}
            />
          </span>
        )}
      </VCell>
      <VCell numeric className="c-took" label="took">
        {duration(took)}
      </VCell>
      <VCell numeric className="c-cpu" label="cpu">
        {duration(run.cpuMs)}
      </VCell>
      <VCell numeric className="c-when">
        <Ago at={run.startedAt} />
      </VCell>
    </>
  )
}
