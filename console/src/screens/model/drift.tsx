/** Which columns no longer look as they did in training, worst first, each as reference against now. */
import type { DriftColumn, ModelPage } from '../../api/types.ts'
import { HistogramPair } from '../../charts/histogram.tsx'
import { paired } from '../../charts/histogram-bins.ts'
import { extent, linear, linePath } from '../../charts/scale.ts'
import { diamond } from '../../charts/sparkline.tsx'
import { count, metric, plural, psi } from '../../format/numbers.ts'
import { list } from '../../format/sentences.ts'
import { day } from '../../format/times.ts'
import { Door } from '../../parts/door.tsx'
import { Figure } from '../../parts/figure.tsx'
import { Chips, Empty, Section } from '../../parts/page.tsx'
import { VerdictSign } from '../../parts/signs.tsx'
import { Go, useParam } from '../../shell/go.tsx'
import { hrefs } from '../../shell/hrefs.ts'

export function Drift({ page }: { page: ModelPage }) {
  const [show, setShow] = useParam('show', 'all')
  const ranked = [...page.drift].sort((a, b) => b.psi - a.psi)
  if (ranked.length === 0 && page.parent !== null) {
    return (
      <Empty title="Measured for the family">
        Drift is measured over all traffic of {page.parent}: a member alone has too few rows a window to tell
        chance from change.{' '}
        <Go href={hrefs.model(page.parent, 'drift')} className="link">
          Drift of {page.parent}
        </Go>
      </Empty>
    )
  }
  if (ranked.length === 0) {
    return (
      <Empty
        title="Nothing to compare yet"
        commands={page.versions.length === 0 ? [page.commands.train] : []}
      >
        Drift is measured when a window of served predictions closes, against the rows the live version was
        trained on.
      </Empty>
    )
  }
  const moved = ranked.filter((c) => c.verdict === 'fail')
  const shown = show === 'moved' ? moved : ranked
  return (
    <Section
      title="Columns by how far they moved"
      note={<DriftNote moved={moved} all={ranked.length} />}
      tools={null}
    >
      <Chips label="Show">
        <button type="button" className="chip" aria-pressed={show !== 'moved'} onClick={() => setShow('all')}>
          all <span className="muted">{ranked.length}</span>
        </button>
        <button
          type="button"
          className="chip"
          aria-pressed={show === 'moved'}
          onClick={() => setShow('moved')}
        >
          moved <span className="muted">{moved.length}</span>
        </button>
      </Chips>
      <div className="multiples">
        {shown.map((column) => (
          <DriftCard key={column.column} column={column} />
        ))}
      </div>
      {shown.length === 0 && <p className="soft">No column moved beyond chance.</p>}
    </Section>
  )
}

function DriftNote({ moved, all }: { moved: DriftColumn[]; all: number }) {
  const words =
    moved.length === 0
      ? `None of ${plural(all, 'column')} moved beyond chance.`
      : `${list(
          moved.map((c) => c.column),
          4,
        )} moved, of ${plural(all, 'column')}.`
  return (
    <>
      {words} Grey is training, indigo is the newest closed window (of a large one, a sample); p-values are
      adjusted over all columns.
    </>
  )
}

function DriftCard({ column }: { column: DriftColumn }) {
  const table = () => {
    const bins = paired(column.reference, column.current)
    return {
      columns: ['bin', 'reference share', 'now share'],
      rows: bins.labels.map((label, i) => [label, bins.reference[i], bins.current[i]]),
    }
  }
  return (
    <div className="multiple">
      <Figure title={column.column} level={3} table={table}>
        <div className="multiple-facts">
          <VerdictSign verdict={column.verdict} />
          <span className="num">
            <span className="muted small">PSI </span>
            <Door
              facts={{
                title: `Drift of ${column.column}`,
                rows: [
                  ['PSI', String(column.psi)],
                  ['p, adjusted', column.pAdjusted < 1e-4 ? 'below 0.0001' : metric(column.pAdjusted)],
                  ['rows now', `${count(column.n)} (a sample, where the window is large)`],
                  ['reference', 'rows the live version was trained on'],
                  ['formula', 'sum of (now − reference) · ln(now ÷ reference) over bins'],
                ],
              }}
            >
              {psi(column.psi)}
            </Door>
          </span>
          <span className="num small muted">n {count(column.n)}</span>
          <History column={column} />
        </div>
        <HistogramPair reference={column.reference} current={column.current} name={column.column} />
      </Figure>
    </div>
  )
}

const W = 84
const H = 20

/** PSI by window as a thin line from zero; failing windows as diamonds. */
function History({ column }: { column: DriftColumn }) {
  const span = extent([0, ...column.history.map((h) => h.psi)], 0.05)
  if (span === null || column.history.length < 2) return null
  const x = linear([0, column.history.length - 1], [3, W - 4])
  const y = linear([0, span[1]], [H - 3, 4])
  const first = column.history[0]!
  const words = `PSI by window since ${day(first.fromAt)}: ${column.history.map((h) => psi(h.psi)).join(', ')}`
  return (
    <svg width={W} height={H} role="img" aria-label={words} className="history">
      <path
        d={linePath(column.history.map((h, i) => ({ x: x(i), y: y(h.psi) })))}
        fill="none"
        stroke="var(--ink-3)"
        strokeWidth="1.200"
      />
      {column.history.map((h, i) =>
        h.verdict === 'fail' ? (
          <path key={h.fromAt} d={diamond(x(i), y(h.psi), 3)} fill="var(--warn)" />
        ) : null,
      )}
    </svg>
  )
}
