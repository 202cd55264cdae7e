/** An act on the release of a model: back to the one before, or forward without waiting. */
import { type Act, ActDialog } from './act.tsx'
import { Command } from './copy.tsx'

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
    verb: 'Roll back',
    doing: 'Rolling back',
    danger: false,
    takeBack: 'To go forward again, the newest version that passed its gates starts over from the shadow:',
  },
  promote: {
    title: 'Promote without waiting for the test',
    verb: 'Promote',
    doing: 'Promoting',
    danger: true,
    takeBack: 'To take it back:',
  },
}

export function ActionDialog({ model, verb, undo, opened, close }: ActionProps) {
  const words = WORDS[verb]
  const act: Act = {
    title: `${words.title}: ${model}`,
    verb: words.verb,
    doing: words.doing,
    path: `/api/models/${encodeURIComponent(model)}/${verb}`,
    body: {},
    ...(words.danger && {
      confirm: { text: model, why: 'The test has not finished: this skips what it would still have found' },
    }),
    after: (
      <div className="stack-tight">
        <p className="soft">{words.takeBack}</p>
        <Command text={undo} />
      </div>
    ),
  }
  return <ActDialog act={opened ? act : null} close={close} />
}
