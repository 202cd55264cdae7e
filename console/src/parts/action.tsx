/**
 * An action on what is live. It first asks the server what it would do (`dryRun`), shows the command and the effects, and only then
 * offers to do it. States: `planning → ready → doing → done`, or `failed` with the error and what was typed kept.
 */
import { Modal, Textarea, TextInput } from '@mantine/core'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { post } from '../api/client.ts'
import type { ActionResult } from '../api/types.ts'
import { Command } from './copy.tsx'
import { Icon } from './icons.tsx'
import { ErrorCard, Skeleton } from './page.tsx'

export interface ActionProps {
  model: string
  verb: 'rollback' | 'promote'
  /** How to take it back, as a command. */
  undo: string
  opened: boolean
  close: () => void
}

const WORDS = {
  rollback: {
    title: 'Roll back',
    doing: 'Rolling back',
    danger: false,
    takeBack: 'To go forward again, the newest version that passed its gates starts over from the shadow:',
  },
  promote: {
    title: 'Promote without waiting for the test',
    doing: 'Promoting',
    danger: true,
    takeBack: 'To take it back:',
  },
}

export function ActionDialog(props: ActionProps) {
  const words = WORDS[props.verb]
  return (
    <Modal
      opened={props.opened}
      onClose={props.close}
      title={`${words.title}: ${props.model}`}
      size="lg"
      transitionProps={{ duration: 120 }}
      centered
    >
      {props.opened && <ActionBody {...props} />}
    </Modal>
  )
}

function ActionBody({ model, verb, undo, close }: ActionProps) {
  const client = useQueryClient()
  const [reason, setReason] = useState('')
  const [typed, setTyped] = useState('')
  const words = WORDS[verb]
  const path = `/api/models/${encodeURIComponent(model)}/${verb}`
  const plan = useQuery({
    queryKey: ['plan', model, verb],
    queryFn: () => post<ActionResult>(path, { dryRun: true }),
    gcTime: 0,
    staleTime: 0,
  })
  const act = useMutation({
    mutationFn: () => post<ActionResult>(path, { dryRun: false, reason: reason.trim() || undefined }),
    onSuccess: () => void client.invalidateQueries({ predicate: (query) => query.queryKey[0] !== 'plan' }),
  })
  if (act.data?.done) return <Done result={act.data} undo={undo} takeBack={words.takeBack} close={close} />
  const ready = plan.data !== undefined && reason.trim() !== '' && (!words.danger || typed === model)
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault()
        if (ready) act.mutate()
      }}
    >
      {plan.data ? (
        <Effects result={plan.data} title="What it will do" />
      ) : plan.error ? (
        <ErrorCard error={plan.error} retry={() => void plan.refetch()} />
      ) : (
        <Skeleton lines={4} height={20} />
      )}
      <Textarea
        label="Why"
        description="Written into the journal"
        required
        autosize
        minRows={2}
        value={reason}
        onChange={(event) => setReason(event.currentTarget.value)}
        data-autofocus
      />
      {words.danger && (
        <TextInput
          label={`Type ${model} to confirm`}
          description="The test has not finished: this skips what it would still have found"
          value={typed}
          onChange={(event) => setTyped(event.currentTarget.value)}
          autoComplete="off"
          spellCheck={false}
        />
      )}
      {act.error && <ErrorCard error={act.error} />}
      <div className="dialog-actions">
        <button type="button" className="button" onClick={close}>
          Cancel
        </button>
        <button type="submit" className="button button-primary" disabled={!ready || act.isPending}>
          {act.isPending ? `${words.doing}…` : words.title.split(' without')[0]}
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

function Done({
  result,
  undo,
  takeBack,
  close,
}: {
  result: ActionResult
  undo: string
  takeBack: string
  close: () => void
}) {
  return (
    <div className="stack" role="status">
      <Effects result={result} title="Done" />
      <div className="stack-tight">
        <p className="soft">{takeBack}</p>
        <Command text={undo} />
      </div>
      <div className="dialog-actions">
        <button type="button" className="button button-primary" onClick={close} data-autofocus>
          Close
        </button>
      </div>
    </div>
  )
}
