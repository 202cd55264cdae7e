/** What an additive model has learned of each feature, as data for plots. */
import { MillraceError } from '../../core/errors.ts'
import type { Digest } from '../../core/records.ts'
import { type LoadedModel, loadModel } from '../../model/load.ts'
import { type Shape, type ShapeSlot, shapesOf } from '../../model/tables/shapes.ts'
import type { ShapeSlotRow, Shapes, ShapeTerm } from '../contract.ts'
import { modelState, type Project } from './model-state.ts'
import { remember } from './remember.ts'
import { figure } from './words.ts'

/** Answers of several classes are kept one by one. */
const ANSWERS_KEPT = 64
const OTHER = 'missing or other'

/**
 * Null where the model that answers has no tables; members of a family are their parent's where they have some. `className`: the first without it.
 * Errors: MR_LOOP_UNKNOWN for the model or the class.
 */
export async function shapesView(rt: Project, name: string, className?: string): Promise<Shapes | null> {
  const slash = name.indexOf('/')
  const { shown, parent } = await modelState(rt, slash < 0 ? name : name.slice(0, slash))
  if (!shown || !parent || parent.format === 'onnx') return null
  const { parent: digest } = shown.bundle
  return await remember(
    rt.store,
    'shapes',
    `${digest} ${className ?? ''}`,
    async () => shapesFrom(await loadModel(rt.store, digest), digest, name, className),
    ANSWERS_KEPT,
  )
}

function shapesFrom(loaded: LoadedModel, digest: Digest, model: string, className?: string): Shapes | null {
  const found = loaded.graph.model
  if (found.kind !== 'AdditiveTables') return null
  const classes = [...(loaded.version.classes ?? [])]
  const output = className === undefined ? 0 : classes.indexOf(className)
  if (output < 0)
    throw new MillraceError('MR_LOOP_UNKNOWN', { what: 'class', name: className ?? '', known: classes })
  return {
    model,
    modelVersion: digest,
    classes,
    class: classes[output] ?? null,
    terms: shapesOf(found, output).map((shape) => termOf(shape, loaded)),
  }
}

function termOf(
  { features, meanAbs, slots, values, deviations, weights }: Shape,
  loaded: LoadedModel,
): ShapeTerm {
  const known = loaded.features.features
  const names = features.map((j) => known[j].name)
  if (slots.length > 1) return { features: names, meanAbs, slots: [] }
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const categories = known[features[0]].state?.values as readonly unknown[] | undefined
  return {
    features: names,
    meanAbs,
    slots: slots[0].map((slot, cell) => ({
      ...placeOf(slot, categories),
      value: values[cell],
      deviation: deviations[cell],
      share: total > 0 ? weights[cell] / total : 0,
    })),
  }
}

function placeOf(
  slot: ShapeSlot,
  categories?: readonly unknown[],
): Pick<ShapeSlotRow, 'label' | 'from' | 'to'> {
  if (slot.kind === 'other') return { label: OTHER, from: null, to: null }
  if (slot.kind === 'code')
    return { label: String(categories?.[slot.code] ?? slot.code), from: null, to: null }
  const { from, to } = slot
  const label =
    from === Number.NEGATIVE_INFINITY
      ? `up to ${figure(to)}`
      : to === Number.POSITIVE_INFINITY
        ? `above ${figure(from)}`
        : `${figure(from)} to ${figure(to)}`
  return { label, from: finite(from), to: finite(to) }
}

const finite = (x: number) => (Number.isFinite(x) ? x : null)
