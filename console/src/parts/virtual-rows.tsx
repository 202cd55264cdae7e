/**
 * A table of any length in the page's own scroll: only the rows near the window exist. Rows have one height, so nothing jumps.
 *
 * `columns` is a CSS grid template for wide windows; below 768 px a row lays itself out by its own style (`.vrow` children).
 */
import { useMediaQuery } from '@mantine/hooks'
import { useWindowVirtualizer } from '@tanstack/react-virtual'
import { type ReactNode, useLayoutEffect, useRef, useState } from 'react'

interface VirtualRowsProps {
  label: string
  columns: string
  head: { key: string; label: ReactNode; numeric?: boolean; sort?: 'ascending' | 'descending' | 'none' }[]
  count: number
  /** Cells of one row, one element a column. */
  row: (index: number) => ReactNode
  rowKey: (index: number) => string
  rowHeight: number
  rowHeightNarrow: number
  /** Class of the narrow layout. */
  layout: string
  /** Called with the half-open range of rows in view. */
  onRange?: (from: number, to: number) => void
}

const OVERSCAN = 6

export function VirtualRows(props: VirtualRowsProps) {
  const wide = useMediaQuery('(min-width: 768px)', matchMedia('(min-width: 768px)').matches) ?? true
  const height = wide ? props.rowHeight : props.rowHeightNarrow
  const body = useRef<HTMLDivElement>(null)
  const [margin, setMargin] = useState(0)
  useLayoutEffect(() => {
    const measure = () => setMargin(Math.round((body.current?.getBoundingClientRect().top ?? 0) + scrollY))
    measure()
    const moved = new ResizeObserver(measure)
    const page = document.getElementById('main')
    if (page) moved.observe(page)
    return () => moved.disconnect()
  }, [])
  const rows = useWindowVirtualizer({
    count: props.count,
    estimateSize: () => height,
    overscan: OVERSCAN,
    scrollMargin: margin,
    getItemKey: props.rowKey,
    onChange: (instance) => {
      const range = instance.range
      if (range) props.onRange?.(range.startIndex, range.endIndex + 1)
    },
  })
  // biome-ignore lint/correctness/useExhaustiveDependencies: another height makes every placed row wrong
  useLayoutEffect(() => rows.measure(), [height, rows])
  return (
    // biome-ignore lint/a11y/useSemanticElements: rows are placed by transform, which table elements do not allow
    <div
      className={`vtable ${props.layout}`}
      role="table"
      aria-label={props.label}
      aria-rowcount={props.count + 1}
      style={{ '--columns': props.columns } as React.CSSProperties}
    >
      {/* biome-ignore lint/a11y/useSemanticElements: see above */}
      {/* biome-ignore lint/a11y/useFocusableInteractive: a header row is not operated */}
      <div className="vhead" role="row">
        {props.head.map((column) => (
          // biome-ignore lint/a11y/useSemanticElements: see above
          // biome-ignore lint/a11y/useFocusableInteractive: a header is not operated, the button in it is
          <div
            key={column.key}
            role="columnheader"
            className={column.numeric ? 'num' : ''}
            aria-sort={column.sort}
          >
            {column.label}
          </div>
        ))}
      </div>
      {/* biome-ignore lint/a11y/useSemanticElements: see above */}
      <div ref={body} className="vbody" role="rowgroup" style={{ height: rows.getTotalSize() }}>
        {rows.getVirtualItems().map((item) => (
          // biome-ignore lint/a11y/useSemanticElements: see above
          // biome-ignore lint/a11y/useFocusableInteractive: a row is not operated, the links in it are
          <div
            key={item.key}
            role="row"
            aria-rowindex={item.index + 2}
            className="vrow"
            style={{ height, transform: `translateY(${item.start - margin}px)` }}
          >
            {props.row(item.index)}
          </div>
        ))}
      </div>
    </div>
  )
}

export function VCell({
  children,
  numeric,
  className = '',
  label,
}: {
  children?: ReactNode
  numeric?: boolean
  className?: string
  label?: string
}) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: see VirtualRows
    <div role="cell" className={`vcell ${numeric ? 'num' : ''} ${className}`} data-label={label}>
      {children}
    </div>
  )
}
