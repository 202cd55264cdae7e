/** A drawing with its title, one line of how to read it, and its data as a table that can be copied. */
import { type ReactNode, useId, useState } from 'react'
import { type Cell, type Table, toCsv } from '../format/csv.ts'
import { plain } from '../format/numbers.ts'
import { CopyButton } from './copy.tsx'
import { Icon } from './icons.tsx'

interface FigureProps {
  title: string
  note?: ReactNode
  table: () => Table
  children: ReactNode
  /** Heading level of the title, 2 by default. */
  level?: 2 | 3
  tools?: ReactNode
}

export function Figure({ title, note, table, children, level = 2, tools }: FigureProps) {
  const [asTable, setAsTable] = useState(false)
  const id = useId()
  const Heading = `h${level}` as 'h2' | 'h3'
  return (
    <figure className="figure" aria-labelledby={id}>
      <div className="figure-head">
        <Heading id={id}>{title}</Heading>
        <div className="tools">
          {tools}
          <button
            type="button"
            className="tool"
            aria-pressed={asTable}
            onClick={() => setAsTable(!asTable)}
            title={asTable ? 'Show as chart' : 'Show as table'}
          >
            <Icon name={asTable ? 'chart' : 'table'} />
            <span className="tool-word">{asTable ? 'Chart' : 'Table'}</span>
          </button>
          <CopyButton text={() => toCsv(table())} label="Copy CSV" />
        </div>
      </div>
      {note && <figcaption className="note">{note}</figcaption>}
      {asTable ? <DataTable table={table()} label={title} /> : children}
    </figure>
  )
}

export function DataTable({ table, label }: { table: Table; label: string }) {
  const numeric = table.columns.map((_, i) =>
    table.rows.every((row) => typeof row[i] === 'number' || row[i] === null),
  )
  return (
    <Scroll label={label}>
      <table className="table">
        <thead>
          <tr>
            {table.columns.map((column, i) => (
              <th key={column} scope="col" className={numeric[i] ? 'num' : ''}>
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {table.rows.map((row, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: rows of data have no name of their own
            <tr key={i}>
              {row.map((value, j) => (
                <td
                  key={table.columns[j]}
                  className={numeric[j] ? 'num' : String(value).length < 40 ? 'nowrap' : ''}
                >
                  {show(value)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  )
}

const show = (value: Cell) => plain(value)

/** A wide thing in a narrow window: scrolls sideways by itself, also with the keyboard. */
export function Scroll({
  label,
  children,
  className = '',
}: {
  label: string
  children: ReactNode
  className?: string
}) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must take the keyboard
    <section className={`scroll ${className}`} aria-label={label} tabIndex={0}>
      {children}
    </section>
  )
}
