/** This installation: how it is, what it runs on, how it looks. */
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { keepToken, readToken } from '../api/client.ts'
import { sessionQuery, statusQuery } from '../api/queries.ts'
import type { Session, Status } from '../api/types.ts'
import { bytes, plural } from '../format/numbers.ts'
import { duration } from '../format/times.ts'
import { Command } from '../parts/copy.tsx'
import { AskPart, Chips, Page, Section, Stat } from '../parts/page.tsx'
import { Sign } from '../parts/signs.tsx'
import { Ago, useNow } from '../parts/time.tsx'
import { useThemeSwitch } from '../shell/shell.tsx'

export function Settings() {
  const query = useQuery({ ...statusQuery(), refetchInterval: 5_000 })
  const status = query.data
  return (
    <Page title="Settings" sentence={status && sentenceOf(status)}>
      <AskPart query={query} lines={6}>
        {(answer) => <Health status={answer} />}
      </AskPart>
      <div className="two">
        <Look />
        <Token />
      </div>
    </Page>
  )
}

function sentenceOf(status: Status): string {
  const busy = status.workers.filter((w) => w.task !== null).length
  return `Millrace ${status.version} serves ${status.project} at ${status.address}; ${busy === 0 ? 'no worker is at work' : `${plural(busy, 'worker')} at work`}.`
}

function Health({ status }: { status: Status }) {
  const now = useNow()
  return (
    <>
      <Section title="Health">
        <dl className="stats">
          <Stat label="Up for">{duration(Math.max(0, now - status.startedAt))}</Stat>
          <Stat label="Memory" note="resident, this process">
            {bytes(status.rssBytes)}
          </Stat>
          <Stat label="Store" note="objects and logs">
            {bytes(status.storeBytes)}
          </Stat>
          <Stat label="Address">
            <code className="wrap-any">{status.address}</code>
          </Stat>
        </dl>
        <Command text="millrace status" />
      </Section>
      <div className="two">
        <Section title="Workers">
          {status.workers.length === 0 ? (
            <p className="soft">
              None is started: workers start with the first run and wait for the next one after it.
            </p>
          ) : (
            <ul className="brief">
              {status.workers.map((worker) => (
                <li key={worker.name}>
                  <span className="name">{worker.name}</span>
                  {worker.task === null ? (
                    <Sign icon="dot" word="free" tone="quiet" />
                  ) : (
                    <Sign icon="half" word="at work" tone="accent" />
                  )}
                  <span className="small muted">
                    {worker.task ?? 'waits for work'} {worker.since !== null && <Ago at={worker.since} />}
                  </span>
                </li>
              ))}
            </ul>
          )}
        </Section>
        <Section title="Engines">
          <dl className="facts">
            {Object.entries(status.engines).map(([port, url]) => (
              <div key={port}>
                <dt>{port}</dt>
                <dd>
                  <code className="wrap-any">{url}</code>
                </dd>
              </div>
            ))}
          </dl>
        </Section>
      </div>
    </>
  )
}

function Look() {
  const theme = useThemeSwitch()
  return (
    <Section title="Colours">
      <Chips label="Colours">
        {(['auto', 'light', 'dark'] as const).map((value) => (
          <button
            key={value}
            type="button"
            className="chip"
            aria-pressed={theme.value === value}
            onClick={() => theme.set(value)}
          >
            {value === 'auto' ? 'as the system' : value}
          </button>
        ))}
      </Chips>
      <p className="note">Kept in this browser. The key t changes it anywhere.</p>
    </Section>
  )
}

function Token() {
  const client = useQueryClient()
  const [token, setToken] = useState(readToken)
  const [kept, setKept] = useState(false)
  const session = useQuery({ ...sessionQuery(), retry: false })
  return (
    <Section title="Access token">
      <form
        className="inline-form"
        onSubmit={(event) => {
          event.preventDefault()
          keepToken(token.trim())
          setKept(true)
          void client.invalidateQueries()
        }}
      >
        <input
          type="password"
          className="field"
          aria-label="Access token"
          autoComplete="off"
          placeholder="only needed from another machine"
          value={token}
          onChange={(event) => {
            setToken(event.currentTarget.value)
            setKept(false)
          }}
        />
        <button type="submit" className="button">
          {kept ? 'Kept' : 'Keep'}
        </button>
      </form>
      <p className="note">{session.data ? tokenSentence(session.data) : session.error?.message}</p>
      <p className="note">Kept for this tab alone and sent only to this server.</p>
    </Section>
  )
}

function tokenSentence({ token, scopes, models }: Session): string {
  if (token === null) return 'This server needs no token from this machine.'
  const may = scopes.includes('admin') ? 'everything' : scopes.join(', ')
  return `Token ${token}: ${may}${models === null ? '' : `, of ${models.join(', ')}`}.`
}
