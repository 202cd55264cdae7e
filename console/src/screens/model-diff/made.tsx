/** What two versions are made of, side by side: form, size, data, settings, features, members, and what lies inside. */
import type { ReactNode } from 'react'
import type { DiffedVersion, ModelDiff, ModelInside } from '../../api/types.ts'
import { bytes, count, plain, plural, shortDigest, signed } from '../../format/numbers.ts'
import { list } from '../../format/sentences.ts'
import { windowDays } from '../../format/times.ts'
import { Figure, Scroll } from '../../parts/figure.tsx'
import { Section } from '../../parts/page.tsx'
import { VersionSign } from '../../parts/signs.tsx'
import { TensorFigure } from '../../parts/tensor-changes.tsx'
import { Ago } from '../../parts/time.tsx'
import { Go } from '../../shell/go.tsx'
import { hrefs } from '../../shell/hrefs.ts'

export function Made({ diff }: { diff: ModelDiff }) {
  return (
    <>
      <Section title="What they are made of">
        <Facts diff={diff} />
      </Section>
      <div className="two">
        <Settings diff={diff} />
        <Features diff={diff} />
      </div>
      <Inside inside={diff.inside} diff={diff} />
    </>
  )
}

type Fact = [name: string, of: (version: DiffedVersion) => ReactNode, change?: ReactNode]

function Facts({ diff }: { diff: ModelDiff }) {
  const { before, after, members } = diff
  const rows: Fact[] = [
    ['State', (v) => <VersionSign state={v.state} />],
    ['Form', (v) => v.form, before.form === after.form ? 'the same' : 'another'],
    ['Size', (v) => bytes(v.bytes), percentMore(before.bytes, after.bytes)],
    [
      'Trained on',
      (v) => (
        <Go href={hrefs.datasetVersion(v.trainedOn.dataset, v.trainedOn.version)} className="link">
          {v.trainedOn.fromAt === null
            ? `${v.trainedOn.dataset}@${shortDigest(v.trainedOn.version)}`
            : windowDays(v.trainedOn.fromAt, v.trainedOn.toAt)}
        </Go>
      ),
      <DataChange key="data" before={before} after={after} />,
    ],
    [
      'Training rows',
      (v) => count(v.trainedOn.rows),
      after.trainedOn.rows === before.trainedOn.rows
        ? 'as many'
        : signed(after.trainedOn.rows - before.trainedOn.rows, count),
    ],
    ...(before.members + after.members > 0
      ? [['Members', (v: DiffedVersion) => count(v.members), memberText(members)] as Fact]
      : []),
    ['Made', (v) => <Ago at={v.createdAt} />],
    ['Why', (v) => v.reason],
  ]
  return (
    <Scroll label="What they are made of">
      <table className="table table-rows made-facts">
        <thead>
          <tr>
            <th scope="col">
              <span className="sr">Fact</span>
            </th>
            <th scope="col">v{before.version}</th>
            <th scope="col">v{after.version}</th>
            <th scope="col">Change</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(([name, of, change]) => (
            <tr key={name}>
              <td className="soft">{name}</td>
              <td>{of(before)}</td>
              <td>{of(after)}</td>
              <td className="soft">{change}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  )
}

function percentMore(before: number, after: number): string {
  if (before === after) return 'the same'
  return before === 0 ? '' : signed(after / before - 1, (x) => `${Math.round(x * 100)} %`)
}

function DataChange({
  before: { trainedOn: old },
  after: { trainedOn: now },
}: Record<'before' | 'after', DiffedVersion>) {
  if (old.dataset !== now.dataset) return 'other data'
  if (old.version === now.version) return 'the same version'
  return (
    <Go href={hrefs.diff(now.dataset, old.version, now.version)} className="link">
      what changed in the data
    </Go>
  )
}

function memberText({ added, removed, changed, same }: ModelDiff['members']): string {
  return [
    ...(added.length > 0 ? [`${list(added, 3)} new`] : []),
    ...(removed.length > 0 ? [`${list(removed, 3)} gone`] : []),
    `${count(changed)} trained anew, ${count(same)} the same`,
  ].join('; ')
}

function Settings({ diff: { settings, settingsSame, before, after } }: { diff: ModelDiff }) {
  return (
    <Section title="Settings" note={`${count(settings.length)} differ, ${count(settingsSame)} are the same.`}>
      {settings.length > 0 && (
        <Scroll label="Settings that differ">
          <table className="table table-rows">
            <thead>
              <tr>
                <th scope="col">Setting</th>
                <th scope="col">v{before.version}</th>
                <th scope="col">v{after.version}</th>
              </tr>
            </thead>
            <tbody>
              {settings.map((one) => (
                <tr key={one.name}>
                  <td className="wrap-any">{one.name}</td>
                  <td className="wrap-any">
                    <del>{plain(one.before)}</del>
                  </td>
                  <td className="wrap-any">
                    <ins>{plain(one.after)}</ins>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </Section>
  )
}

function Features({ diff: { features } }: { diff: ModelDiff }) {
  const { added, removed, changed, relearned, same } = features
  const differ = added.length + removed.length + changed.length
  return (
    <Section
      title="Features"
      note={`${count(differ)} differ, ${count(same + relearned.length)} are the same.`}
    >
      <ul className="notes">
        {added.map(({ name, expression }) => (
          <li key={name}>
            <strong>new</strong> {name} <code>{expression}</code>
          </li>
        ))}
        {removed.map(({ name, expression }) => (
          <li key={name}>
            <strong>gone</strong> {name} <code>{expression}</code>
          </li>
        ))}
        {changed.map(({ name, before, after }) => (
          <li key={name}>
            <strong>changed</strong> {name} <del>{before}</del> → <ins>{after}</ins>
          </li>
        ))}
        {relearned.length > 0 && (
          <li>
            <strong>learned anew</strong> {list(relearned, 6)}: the same expression, other values in the data
          </li>
        )}
      </ul>
    </Section>
  )
}

function Inside({ inside, diff }: { inside: ModelInside; diff: ModelDiff }) {
  if (inside.kind === 'tensors')
    return (
      <Section>
        <TensorFigure title="Inside: numbers" changes={inside} />
      </Section>
    )
  if (inside.kind === 'forms')
    return (
      <Section title="Inside">
        <p className="soft">
          v{diff.before.version} is of the form {diff.before.form} and v{diff.after.version} of{' '}
          {diff.after.form}: nothing inside can be laid side by side.
        </p>
      </Section>
    )
  return <Pieces inside={inside} diff={diff} />
}

type PiecesInside = Extract<ModelInside, { kind: 'pieces' }>

function Pieces({ inside, diff }: { inside: PiecesInside; diff: ModelDiff }) {
  const { noun, before, after, features } = inside
  const [old, now] = [`v${diff.before.version}`, `v${diff.after.version}`]
  const top = Math.max(...features.flatMap((f) => [f.before, f.after]), 1)
  return (
    <Section>
      <Figure
        title={`Inside: ${noun}s`}
        note={`${piecesText(inside, old, now)} Splits by feature, grey ${old}, indigo ${now}; those that changed most come first.`}
        table={() => ({
          columns: ['feature', `splits in ${old}`, `splits in ${now}`],
          rows: features.map((f) => [f.feature, f.before, f.after]),
        })}
      >
        <ul className="bar-rows bar-pairs">
          {features.map((f) => (
            <li key={f.feature}>
              <span className="name wrap-any">{f.feature}</span>
              <span className="bar-pair" aria-hidden="true">
                <i style={{ width: `${(f.before / top) * 100}%` }} />
                <i className="bar-now" style={{ width: `${(f.after / top) * 100}%` }} />
              </span>
              <span className="num">
                {count(f.before)} → {count(f.after)}
              </span>
            </li>
          ))}
        </ul>
        <p className="small muted">
          {plural(before.nodes, 'node')} in {old}, {count(after.nodes)} in {now}.
        </p>
      </Figure>
    </Section>
  )
}

function piecesText(
  { noun, before, after, sameFirst, same }: PiecesInside,
  old: string,
  now: string,
): string {
  if (same === before.pieces && same === after.pieces) return `All ${plural(same, noun)} are the same.`
  const first =
    sameFirst > 0 ? `the first ${count(sameFirst)} are the same` : `they differ from the first ${noun} on`
  const others = same > sameFirst ? `, as are ${count(same - sameFirst)} others` : ''
  return `${plural(before.pieces, noun)} in ${old}, ${count(after.pieces)} in ${now}; ${first}${others}.`
}
