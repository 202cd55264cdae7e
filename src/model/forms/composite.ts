/** The form of weighted sums of models. */
import type { Json } from '../../core/canonical.ts'
import { allFinite, between, check, checkLength } from '../checks.ts'
import type { CompositeModel } from '../composite.ts'
import { notInOnnx } from '../export/not-in-onnx.ts'
import { writeCompositeOnnx } from '../export/onnx-tables.ts'
import type {
  Explainer,
  FormHead,
  Kernel,
  ModelBase,
  ModelForm,
  NamedArrays,
  SectionReader,
} from '../form.ts'

/** Guards memory and time against a hostile file. */
export const COMPOSITE_LIMITS = { membersMax: 256 }

/** Finds the form of a member; undefined for kinds that are not known. */
type FormOf = (kind: string) => ModelForm<ModelBase> | undefined

const KIND = 'CompositeModel'

/** `formOf` comes from the registry, which has this form too. */
export function compositeForm(formOf: FormOf): ModelForm<CompositeModel> {
  const memberForm = (kind: unknown, m: number): ModelForm<ModelBase> => {
    const form = typeof kind === 'string' && kind !== KIND ? formOf(kind) : undefined
    check(form !== undefined, 'members', m, 'of a known kind, and no composite', kind)
    return form
  }
  const formAt = ({ members }: CompositeModel, m: number) => memberForm(members[m].model.kind, m)
  return {
    kind: KIND,
    format: 'composite',
    validate: (model) => validate(model, (m) => formAt(model, m)),
    extra: (model) => ({ members: model.members.map((_, m) => headOf(model, m, formAt(model, m))) }),
    arrays: (model) => arraysOf(model, (m) => formAt(model, m)),
    read: (head, arrays) => readComposite(head, arrays, memberForm),
    kernel: (model) => kernelOf(model, (m) => formAt(model, m)),
    explainer: (model) => explainerOf(model, (m) => formAt(model, m)),
    scorerBytes: (model) =>
      model.members.reduce((sum, member, m) => sum + formAt(model, m).scorerBytes(member.model), 4_096),
    writeOnnx: (model, graph, features) =>
      writeCompositeOnnx(model, { graph, features }, (member, m) => {
        const { writeOnnx } = formAt(model, m)
        if (!writeOnnx) throw notInOnnx(member.kind)
        return writeOnnx(member, graph, features)
      }),
  }
}

type FormAt = (m: number) => ModelForm<ModelBase>

function validate({ members, intercepts, nFeatures, nOutputs, link }: CompositeModel, formAt: FormAt): void {
  checkLength('intercepts', intercepts.length, nOutputs)
  allFinite('intercepts', intercepts)
  between('members', 0, members.length, 1, COMPOSITE_LIMITS.membersMax)
  members.forEach(({ model, weight }, m) => {
    allFinite('member weights', [weight])
    check(model.nFeatures === nFeatures, 'member features', m, `${nFeatures}`, model.nFeatures)
    check(model.nOutputs === nOutputs, 'member outputs', m, `${nOutputs}`, model.nOutputs)
    check(model.link === link, 'member link', m, link, model.link)
    formAt(m).validate(model)
  })
}

// ---------------------------------------------------------------- bytes

function headOf({ members }: CompositeModel, m: number, form: ModelForm<ModelBase>): Json {
  const { model } = members[m]
  return { kind: model.kind, extra: form.extra?.(model) ?? {} }
}

/** Arrays of members under names of their own, behind those of the whole. */
function arraysOf({ members, intercepts }: CompositeModel, formAt: FormAt): NamedArrays {
  const own: NamedArrays = [
    ['intercepts', intercepts],
    ['memberWeights', members.map(({ weight }) => weight)],
  ]
  const theirs = members.flatMap(({ model }, m) =>
    formAt(m)
      .arrays(model)
      .map(([name, values]): NamedArrays[number] => [`${m}.${name}`, values]),
  )
  return [...own, ...theirs]
}

function readComposite(
  { nFeatures, nOutputs, link, extra }: FormHead,
  arrays: SectionReader,
  memberForm: (kind: unknown, m: number) => ModelForm<ModelBase>,
): CompositeModel {
  const heads = extra.members
  check(Array.isArray(heads), 'members', 0, 'a list', typeof heads)
  between('members', 0, heads.length, 1, COMPOSITE_LIMITS.membersMax)
  const intercepts = arrays.take('intercepts', nOutputs)
  const weights = arrays.take('memberWeights', heads.length)
  const members = heads.map((head, m) => {
    check(
      isObject(head) && isObject(head.extra ?? null),
      'members',
      m,
      'a kind and its settings',
      typeof head,
    )
    const form = memberForm(head.kind, m)
    const settings = { kind: form.kind, nFeatures, nOutputs, link, extra: head.extra as Record<string, Json> }
    return { model: form.read(settings, within(arrays, m)), weight: weights[m] }
  })
  return { kind: KIND, nFeatures, nOutputs, link, intercepts, members }
}

const isObject = (value: Json): value is Record<string, Json> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function within(arrays: SectionReader, m: number): SectionReader {
  return {
    take: (name, length) => arrays.take(`${m}.${name}`, length),
    has: (name) => arrays.has(`${m}.${name}`),
    expect: (name, expected, got) => arrays.expect(`${m}.${name}`, expected, got),
  }
}

// ---------------------------------------------------------------- scoring and explaining

function kernelOf({ members, intercepts, nOutputs }: CompositeModel, formAt: FormAt): Kernel {
  const parts = members.map(({ model, weight }, m) => ({ kernel: formAt(m).kernel(model), weight }))
  let raws = new Float64Array(0)
  return {
    rows: (rows, n, out) => {
      const size = n * nOutputs
      if (raws.length < size) raws = new Float64Array(size)
      for (let at = 0; at < size; at++) out[at] = intercepts[at % nOutputs]
      for (const { kernel, weight } of parts) {
        kernel.rows(rows, n, raws)
        for (let at = 0; at < size; at++) out[at] += weight * raws[at]
      }
    },
    close: () => {
      for (const { kernel } of parts) kernel.close?.()
    },
  }
}

/** The weighted sum of the members' explanations: exact where theirs are. */
function explainerOf(model: CompositeModel, formAt: FormAt): Explainer {
  const { members, intercepts, nFeatures, nOutputs } = model
  const parts = members.map(({ model: part, weight }, m) => ({
    explainer: formAt(m).explainer(part),
    weight,
  }))
  const kernel = kernelOf(model, formAt)
  const bases = intercepts.map((x, k) =>
    parts.reduce((sum, { explainer, weight }) => sum + weight * explainer.bases[k], x),
  )
  const raws = new Float64Array(nOutputs)
  return {
    bases,
    explain: (x, output = 0) => {
      const contributions = new Float64Array(nFeatures)
      for (const { explainer, weight } of parts)
        explainer.explain(x, output).contributions.forEach((c, j) => {
          contributions[j] += weight * c
        })
      kernel.rows(x, 1, raws)
      const explained = contributions.reduce((sum, c) => sum + c, bases[output])
      return { base: bases[output], contributions, raw: raws[output], residual: raws[output] - explained }
    },
  }
}
