/**
 * An act on data or on what is live. It first asks the server what it would do (`dryRun`), shows the command and the effects, and only then offers to do it. What was typed stays when
 * it fails. Fields of the act's own stand above the plan, which follows them.
 */
import { Modal, Textarea, TextInput } from '@mantine/core'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { type ReactNode, useState } from 'react'
import { post } from '../api/client.ts'
import type { ActionResult } from '../api/types.ts'
import { Command } from './copy.tsx'
import { Icon } from './icons.tsx'
import { ErrorCard, Skeleton } from './page.tsx'

export interface Act {
  title: string
  /** On the button. */
  verb: string
  /** On the button while it is done. Default: the verb. */
  doing?: string
  path: string
  /** What is sent beside `dryRun` and `reason`; null while a field is still to be filled in. */
  body: Record<string, unknown> | null
  fields?: ReactNode
  /** What has to be typed before it can be done, and why. */
  confirm?: { text: string; why: string }
  /** Said where it is done. */
  after?: ReactNode
}

export function ActDialog({ act, close }: { act: Act | null; close: () => void }) {
  return (
    <Modal
      opened={act !== null}
      onClose={close}
      title={act?.title}
      size="lg"
      transitionProps={{ duration: 120 }}
      closeButtonProps={{ 'aria-label': 'Dismiss' }}
      centered
    >
      {act && <ActBody act={act} close={close} />}
    </Modal>
  )
}

function ActBody({ act, close }: { act: Act; close: () => void }) {
  const client = useQueryClient()
  const [reason, setReason] = useState('')
  const [typed, setTyped] = useState('')
  const plan = useQuery({
    queryKey: ['plan', act.path, act.body],
    queryFn: () => post<ActionResult>(act.path, { ...act.body, dryRun: true }),
    enabled: act.body !== null,
    gcTime: 0,
    staleTime: 0,
    retry: false,
  })
  const run = useMutation({
    mutationFn: () =>
      post<ActionResult>(act.path, { ...act.body, dryRun: false, reason: reason.trim() || undefined }),
    onSuccess: () => void client.invalidateQueries({ predicate: (query) => query.queryKey[0] !== 'plan' }),
  })
  if (run.data)
    return (
      <div className="stack" role="status">
        <Effects result={run.data} title={run.data.done ? 'Done' : 'Nothing was left to do'} />
        {act.after}
        <div className="dialog-actions">
          <button type="button" className="button button-primary" onClick={close} data-autofocus>
            Close
          </button>
        </div>
      </div>
    )
  const isConfirmed = act.confirm === undefined || typed === act.confirm.text
  const ready = act.body !== null && plan.data !== undefined && reason.trim() !== '' && isConfirmed
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault()
        if (ready) run.mutate()
      }}
    >
      {act.fields}
      {act.body === null ? null : plan.data ? (
        <Effects result={plan.data} title="What it will do" />
      ) : plan.error ? (
        <ErrorCard error={plan.error} retry={() => void plan.refetch()} />
      ) : (
        <Skeleton lines={3} height={20} />
      )}
      <Textarea
        label="Why"
        description="Written into the journal"
        required
        autosize
        minRows={2}
        value={reason}
        onChange={(event) => setReason(event.currentTarget.value)}
        data-autofocus={act.fields === undefined || undefined}
      />
      {act.confirm && (
        <TextInput
          label={`Type ${act.confirm.text} to confirm`}
          description={act.confirm.why}
          value={typed}
          onChange={(event) => setTyped(event.currentTarget.value)}
          autoComplete="off"
          spellCheck={false}
        />
      )}
      {run.error && <ErrorCard error={run.error} />}
      <div className="dialog-actions">
        <button type="button" className="button" onClick={close}>
          Cancel
        </button>
        <button type="submit" className="button button-primary" disabled={!ready || run.isPending}>
          {run.isPending ? `${act.doing ?? act.verb}…` : act.verb}
        </button>
      </div>
    </form>
  )
}

function Effects({ result, title }: { result: ActionResult; title: string }) {
  return (
    <div className="stack-tight">
      <h3>{title}</h3>
      <ul className="effects">
        {result.effects.map((effect) => (
          <li key={effect}>
            <Icon name="forward" />
            <span>{effect}</span>
          </li>
        ))}
      </ul>
      <Command text={result.command} />
    </div>
  )
}
