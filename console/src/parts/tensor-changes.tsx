/** Tensors of two model files: which came, went, took another shape or other numbers, and by how much. */
import type { TensorChanges } from '../api/types.ts'
import { brief, count, plural, share } from '../format/numbers.ts'
import { Figure, Scroll } from './figure.tsx'

/** Lines that are drawn; the table behind has all. */
const SHOWN = 60

interface TensorRow {
  name: string
  what: string
  shape: string
  numbers?: number
  of?: number
  max?: number
  mean?: number
  norm?: number
  /** Length of the change as a share of the length before. */
  relative?: number
}

const shapeText = ({ dtype, shape }: { dtype: string; shape: readonly number[] }) =>
  `${dtype} [${shape.join(', ')}]`

/** Those whose numbers changed most for their size come first. */
function rowsOf({ added, removed, reshaped, changed }: TensorChanges): TensorRow[] {
  const told = changed.map((t): TensorRow => {
    const { norm, normBefore } = t
    return {
      name: t.name,
      what: 'other numbers',
      shape: shapeText(t),
      numbers: t.nChanged,
      of: t.shape.reduce((product, n) => product * n, 1),
      max: t.maxAbs,
      mean: t.meanAbs,
      norm,
      relative: norm !== undefined && normBefore ? norm / normBefore : undefined,
    }
  })
  return [
    ...told.sort((a, b) => (b.relative ?? 0) - (a.relative ?? 0)),
    ...reshaped.map((t) => ({ name: t.name, what: 'another shape', shape: `${t.before} → ${t.after}` })),
    ...added.map((t) => ({ name: t.name, what: 'new', shape: shapeText(t) })),
    ...removed.map((t) => ({ name: t.name, what: 'gone', shape: shapeText(t) })),
  ]
}

export function TensorFigure({ title, changes }: { title: string; changes: TensorChanges }) {
  const rows = rowsOf(changes)
  const top = Math.max(...rows.map(({ relative = 0 }) => relative), 0)
  if (rows.length === 0)
    return (
      <p className="soft">
        {title}: all {plural(changes.same, 'tensor')} are the same to the bit.
      </p>
    )
  return (
    <Figure
      title={title}
      note={`${plural(rows.length, 'tensor')} changed, ${count(changes.same)} the same to the bit. The bar is the length of the change as a share of what was there before.`}
      table={() => ({
        columns: [
          'tensor',
          'what',
          'shape',
          'numbers changed',
          'max |Δ|',
          'mean |Δ|',
          '‖Δ‖',
          '‖Δ‖ / ‖before‖',
        ],
        rows: rows.map((r) => [r.name, r.what, r.shape, r.numbers, r.max, r.mean, r.norm, r.relative]),
      })}
    >
      <Scroll label={title}>
        <table className="table table-rows table-cards tensors">
          <thead>
            <tr>
              <th scope="col">Tensor</th>
              <th scope="col">Changed by</th>
              <th scope="col">Shape</th>
              <th scope="col" className="num">
                Numbers
              </th>
              <th scope="col" className="num">
                Max |Δ|
              </th>
              <th scope="col" className="num">
                ‖Δ‖
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.slice(0, SHOWN).map((row) => (
              <TensorLine key={`${row.what} ${row.name}`} row={row} top={top} />
            ))}
          </tbody>
        </table>
      </Scroll>
      {rows.length > SHOWN && <p className="note">{count(rows.length - SHOWN)} more are in the table.</p>}
    </Figure>
  )
}

function TensorLine({ row, top }: { row: TensorRow; top: number }) {
  return (
    <tr>
      <td className="name wrap-any">{row.name}</td>
      <td>
        {row.relative === undefined ? (
          row.what
        ) : (
          <span className="psi-cell">
            <span className="psi-lane" aria-hidden="true">
              <i style={{ width: `${top === 0 ? 0 : (row.relative / top) * 100}%` }} />
            </span>
            <span className="num">{share(row.relative)}</span>
          </span>
        )}
      </td>
      <td className="mono small">{row.shape}</td>
      <td className="num" data-label="numbers">
        {row.numbers === undefined ? '–' : `${count(row.numbers)} of ${count(row.of)}`}
      </td>
      <td className="num" data-label="max |Δ|">
        {brief(row.max)}
      </td>
      <td className="num" data-label="‖Δ‖">
        {brief(row.norm)}
      </td>
    </tr>
  )
}
