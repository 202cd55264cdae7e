/** A command or text that can be taken along. */
import { useState } from 'react'
import { Icon, type IconName } from './icons.tsx'

const SHOWN_MS = 1600

export function CopyButton({
  text,
  label,
  icon = 'copy',
}: {
  text: string | (() => string)
  label: string
  icon?: IconName
}) {
  const [state, setState] = useState<'ready' | 'copied' | 'refused'>('ready')
  const copy = async () => {
    const done = await writeText(typeof text === 'string' ? text : text())
    setState(done ? 'copied' : 'refused')
    setTimeout(() => setState('ready'), SHOWN_MS)
  }
  const word = state === 'ready' ? label : state === 'copied' ? 'Copied' : 'Not allowed'
  return (
    <button type="button" className="tool" onClick={copy} aria-label={label} title={label}>
      <Icon name={state === 'copied' ? 'check' : icon} />
      <span className="tool-word" aria-live="polite">
        {word}
      </span>
    </button>
  )
}

/** The clipboard where the page may use it, else the old way by a selected field. */
async function writeText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    return writeBySelection(text)
  }
}

function writeBySelection(text: string): boolean {
  const field = document.createElement('textarea')
  field.value = text
  field.style.position = 'fixed'
  field.style.opacity = '0'
  document.body.append(field)
  field.select()
  const done = document.execCommand('copy')
  field.remove()
  return done
}

export function Command({ text, wrap }: { text: string; wrap?: boolean }) {
  return (
    <div className={wrap ? 'command command-wrap' : 'command'}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a long command scrolls sideways, so it must take the keyboard */}
      <code tabIndex={0}>{text}</code>
      <CopyButton text={text} label="Copy" />
    </div>
  )
}
