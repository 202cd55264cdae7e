/** The expression by which rows are filtered, as the URL has it: typed, then taken by Enter or the button; emptied, it is gone at once. */
import { useEffect, useState } from 'react'
import { useParam } from '../shell/go.tsx'

export function Where({ example, error }: { example: string; error: Error | null }) {
  const [where, setWhere] = useParam('where')
  const [typed, setTyped] = useState(where)
  useEffect(() => setTyped(where), [where])
  return (
    <>
      <form
        className="where"
        onSubmit={(event) => {
          event.preventDefault()
          setWhere(typed.trim())
        }}
      >
        <input
          type="search"
          className="field"
          placeholder={example}
          aria-label="Only rows for which this holds"
          aria-invalid={error !== null}
          value={typed}
          onChange={(event) => {
            setTyped(event.currentTarget.value)
            if (event.currentTarget.value === '') setWhere('')
          }}
          spellCheck={false}
          autoCapitalize="off"
        />
        <button type="submit" className="button">
          Filter
        </button>
      </form>
      {error && <p className="small tone-warn filter-fault">{error.message}</p>}
    </>
  )
}
