/** Two versions of a model side by side: what they are made of, what they answer, and both in sentences. */
import type { BehaviourReport } from '../../gate/behaviour-task.ts'
import type { VersionDiff, VersionFacts } from '../../loop/version-diff.ts'
import { METRICS } from '../../model/measure.ts'
import { currentRelease } from '../../release/record.ts'
import type { DiffedVersion, ModelBehaviour, ModelDiff } from '../contract.ts'
import { versionState } from './model.ts'
import { modelVersion, type Project, trainedOn } from './model-state.ts'
import { count, figure, listed, metricWords, percent, plural } from './words.ts'

type Told = Omit<ModelDiff, 'comparing' | 'failed' | 'refused' | 'command'>

/** `report` where their answers were compared. */
export async function modelDiffView(
  { store }: Pick<Project, 'store'>,
  { model, diff, report }: { model: string; diff: VersionDiff; report?: BehaviourReport },
): Promise<Told> {
  const { before, after, ...made } = diff
  const release = (await currentRelease(store, model))?.release
  const versionOf = async (facts: VersionFacts): Promise<DiffedVersion> => {
    const { version, bundle, parent, format, bytes, members, createdAt, reason } = facts
    const record = await modelVersion(store, parent)
    return {
      ...{ version, bundle, answersBy: parent, form: format, bytes, members, createdAt, reason },
      state: await versionState(store, facts, bundle, release),
      trainedOn: trainedOn(record),
    }
  }
  const behaviour = report ? behaviourView(report) : null
  return {
    model,
    task: (await modelVersion(store, after.parent)).task,
    words: wordsOf(diff, behaviour),
    before: await versionOf(before),
    after: await versionOf(after),
    ...made,
    behaviour,
  }
}

function behaviourView({ kind: _, task: __, ...report }: BehaviourReport): ModelBehaviour {
  return {
    ...report,
    metrics: report.metrics.map((moved) => ({
      ...moved,
      higherIsBetter: METRICS.get(moved.metric)?.higherIsBetter ?? true,
    })),
  }
}

/** The rows that test the newer one come after those that it learned from; where there are no periods, other data may have dealt the rows otherwise. */
function isFlattered({ before: { trainedOn: old }, after: { trainedOn: now } }: VersionDiff): boolean {
  if (old.window && now.window) return old.window.toAt > now.window.toAt
  return old.version !== now.version
}

// ---------------------------------------------------------------- sentences

const nameOf = ({ version }: VersionFacts): string => `v${version}`

function madeSentence(diff: VersionDiff): string {
  const { before, after, settings, features, members, inside } = diff
  if (before.bundle === after.bundle) return `${nameOf(after)} is one and the same version on both sides.`
  const moved = features.added.length + features.removed.length + features.changed.length
  const newMembers = members.added.length + members.removed.length + members.changed
  const facts = [
    ...(inside.kind === 'forms'
      ? [`another form of model (${after.format} instead of ${before.format})`]
      : []),
    ...(settings.length > 0 ? [`${plural(settings.length, 'setting')} changed (${settingNames(diff)})`] : []),
    ...(moved > 0 ? [featureWords(diff)] : []),
    ...(newMembers > 0 ? [`${plural(newMembers, 'member')} that came, went or changed`] : []),
  ]
  const how = facts.length > 0 ? `, with ${listed(facts, 9)}` : ', in the same way'
  return `${nameOf(after)} was trained on ${dataWords(diff)}${how}.`
}

/** As they stand in the trainer's call. */
const settingNames = ({ settings }: VersionDiff): string =>
  listed(settings.map(({ name }) => name.replace(/^trainer\./, '')))

function dataWords({ before, after }: VersionDiff): string {
  const [old, now] = [before.trainedOn, after.trainedOn]
  if (old.dataset !== now.dataset)
    return `other data than ${nameOf(before)} (${now.dataset} instead of ${old.dataset})`
  const more = now.rows - old.rows
  if (more !== 0)
    return `${plural(Math.abs(more), 'row')} ${more > 0 ? 'more' : 'less'} than ${nameOf(before)}`
  return old.version === now.version
    ? `the same data as ${nameOf(before)}`
    : `another version of the data than ${nameOf(before)}`
}

function featureWords({ features: { added, removed, changed } }: VersionDiff): string {
  const names = (list: readonly { name: string }[]) => listed(list.map(({ name }) => name))
  return listed(
    [
      ...(added.length > 0 ? [`${plural(added.length, 'new feature')} (${names(added)})`] : []),
      ...(removed.length > 0 ? [`${count(removed.length)} gone (${names(removed)})`] : []),
      ...(changed.length > 0 ? [`${count(changed.length)} written otherwise (${names(changed)})`] : []),
    ],
    3,
  )
}

function wordsOf(diff: VersionDiff, behaviour: ModelBehaviour | null): ModelDiff['words'] {
  const [old, now] = [nameOf(diff.before), nameOf(diff.after)]
  const made = madeSentence(diff)
  if (behaviour === null) return { made, moved: null, measures: null, slices: null, caution: null }
  return {
    made,
    moved: movedSentence(behaviour, old, now),
    measures: measuresSentence(behaviour),
    slices: slicesSentence(behaviour),
    caution: isFlattered(diff)
      ? `${old} may have been trained on some of the rows that test here: then it looks better than it is.`
      : null,
  }
}

function movedSentence({ decisions, moves, rows }: ModelBehaviour, old: string, now: string): string {
  if (!decisions) {
    if (moves.meanAbsolute === 0) return `Both answer the same on all ${plural(rows, 'test row')}.`
    const side = moves.mean < 0 ? 'lower' : 'higher'
    return `${now} answers ${figure(moves.meanAbsolute)} away from ${old} in the mean of ${plural(rows, 'test row')}, and ${figure(Math.abs(moves.mean))} ${side} on balance.`
  }
  const n = decisions.ways.reduce((sum, way) => sum + way.n, 0)
  if (n === 0) return `Both decide all ${plural(rows, 'test row')} alike.`
  return `${now} decides ${count(n)} of ${plural(rows, 'test row')} otherwise (${percent(decisions.changed.value)}): ${count(decisions.mended)} were wrong and are right now, ${count(decisions.broken)} were right and are wrong now.`
}

function measuresSentence({ metrics }: ModelBehaviour): string {
  const of = (verdict: string) =>
    metrics.filter((moved) => moved.verdict === verdict).map(({ metric }) => metricWords(metric))
  const [better, worse] = [of('pass'), of('fail')]
  if (better.length + worse.length === 0)
    return 'By no measure can it be told which of the two is better on these rows.'
  const parts = [
    ...(better.length > 0 ? [`better by ${listed(better)}`] : []),
    ...(worse.length > 0 ? [`worse by ${listed(worse)}`] : []),
  ]
  const open = of('inconclusive')
  return `It is surely ${parts.join(' and ')}${open.length > 0 ? `; ${listed(open)} cannot tell` : ''}.`
}

function slicesSentence({ slices, slicesTested }: ModelBehaviour): string {
  if (slicesTested === 0)
    return 'There are too few rows to look at parts of them: one needs 50 rows, and 50 outside it.'
  const [most] = slices
  if (!most) return `None of ${count(slicesTested)} parts of the rows moved more than the rest.`
  return `Answers moved most where ${most.column} is ${most.value}: by ${figure(most.moved)} in the mean, against ${figure(most.rest)} elsewhere.`
}
