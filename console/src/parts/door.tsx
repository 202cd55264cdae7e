/**
 * Every number is a door. A `Door` opens a small card that says what the number was computed from; one card serves the whole page,
 * so that a table of thousands of doors costs nothing.
 */

import { createContext, type ReactNode, useCallback, useContext, useRef, useState } from 'react'
import { flushSync } from 'react-dom'
import { Go } from '../shell/go.tsx'

export interface Facts {
  title: string
  /** Name and value; a value may be a link. */
  rows: [string, ReactNode][]
  /** Page that holds the whole of it. */
  to?: { href: string; label: string }
}

type Open = (anchor: HTMLElement, facts: Facts) => void
const DoorContext = createContext<Open>(() => undefined)

export function DoorHost({ children }: { children: ReactNode }) {
  const card = useRef<HTMLDivElement>(null)
  const [facts, setFacts] = useState<Facts | null>(null)
  const open = useCallback<Open>((anchor, next) => {
    const node = card.current
    if (node === null) return
    flushSync(() => setFacts(next))
    node.showPopover()
    place(node, anchor.getBoundingClientRect())
  }, [])
  return (
    <DoorContext value={open}>
      {children}
      <div ref={card} popover="auto" className="door-card" role="dialog" aria-label={facts?.title}>
        {facts && <FactsCard facts={facts} close={() => card.current?.hidePopover()} />}
      </div>
    </DoorContext>
  )
}

function FactsCard({ facts, close }: { facts: Facts; close: () => void }) {
  return (
    <>
      <h3>{facts.title}</h3>
      <dl className="facts">
        {facts.rows.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {facts.to && (
        <Go href={facts.to.href} className="link" onClick={close}>
          {facts.to.label}
        </Go>
      )}
    </>
  )
}

/** Below the anchor when there is room, else above; always inside the window. */
function place(node: HTMLElement, anchor: DOMRect): void {
  const box = node.getBoundingClientRect()
  const below = anchor.bottom + 6
  const top = below + box.height > innerHeight - 8 ? Math.max(8, anchor.top - box.height - 6) : below
  node.style.top = `${top}px`
  node.style.left = `${Math.max(8, Math.min(anchor.left, innerWidth - box.width - 8))}px`
}

export function Door({ facts, children, label }: { facts: Facts; children: ReactNode; label?: string }) {
  const open = useContext(DoorContext)
  return (
    <button
      type="button"
      className="door"
      aria-haspopup="dialog"
      aria-label={label}
      onClick={(event) => open(event.currentTarget, facts)}
    >
      {children}
    </button>
  )
}
