/** Kinds of calibration: how each is checked, kept as numbers and applied to one output. A new kind is a line here and a variant of `Calibration`. */
import { applySigmoidCalibration } from '../stats/sigmoid-calibration.ts'
import { allFinite, between, check, checkLength, MODEL_LIMITS } from './checks.ts'
import type { ModelBase, NamedArrays, SectionReader } from './form.ts'
import type { Calibration } from './trees.ts'

type Kind = Calibration['kind']

interface CalibrationForm<C extends Calibration> {
  /** Errors: MR_MODEL_INVALID. */
  validate(calibration: C, model: ModelBase): void
  arrays(calibration: C): NamedArrays
  /** Errors: MR_MODEL_FORMAT. */
  read(arrays: SectionReader): C
  /** Calibrated output of one output; those that act on raw scores leave outputs alone. */
  apply(calibration: C, output: number): number
}

type Of<K extends Kind> = Extract<Calibration, { kind: K }>

const FORMS: { [K in Kind]: CalibrationForm<Of<K>> } = {
  isotonic: pointsForm('isotonic', 1, ({ x, y }, output) => interpolate(x, y, output)),
  none: pointsForm('none', 0, (_, output) => output),
  temperature: {
    validate: ({ temperature }, { link, nOutputs }) => {
      check(link === 'softmax' && nOutputs > 1, 'calibration', 0, 'of a softmax of two outputs or more', link)
      const holds = temperature > 0 && Number.isFinite(temperature)
      check(holds, 'temperature', 0, 'a finite number above 0', temperature)
    },
    arrays: ({ temperature }) => [['temperature', [temperature]]],
    read: (arrays) => ({ kind: 'temperature', temperature: arrays.take('temperature', 1)[0] }),
    apply: (_, output) => output,
  },
  vector: {
    validate: ({ slopes, intercepts }, { link, nOutputs }) => {
      check(link === 'softmax' && nOutputs > 1, 'calibration', 0, 'of a softmax of two outputs or more', link)
      checkLength('slopes', slopes.length, nOutputs)
      checkLength('intercepts', intercepts.length, nOutputs)
      allFinite('slopes', slopes)
      allFinite('intercepts', intercepts)
    },
    arrays: ({ slopes, intercepts }) => [
      ['slopes', slopes],
      ['offsets', intercepts],
    ],
    read: (arrays) => ({
      kind: 'vector',
      slopes: Array.from(arrays.take('slopes')),
      intercepts: Array.from(arrays.take('offsets')),
    }),
    apply: (_, output) => output,
  },
  platt: {
    validate: ({ slope, intercept }, model) => {
      ofChances(model)
      allFinite('platt', [slope, intercept])
    },
    arrays: ({ slope, intercept }) => [['platt', [slope, intercept]]],
    read: (arrays) => {
      const [slope, intercept] = arrays.take('platt', 2)
      return { kind: 'platt', slope, intercept }
    },
    apply: applySigmoidCalibration,
  },
  beta: {
    validate: ({ a, b, c }, model) => {
      ofChances(model)
      allFinite('beta', [a, b, c])
      check(a >= 0 && b >= 0, 'beta', 0, 'a and b of at least 0', `${a}, ${b}`)
    },
    arrays: ({ a, b, c }) => [['beta', [a, b, c]]],
    read: (arrays) => {
      const [a, b, c] = arrays.take('beta', 3)
      return { kind: 'beta', a, b, c }
    },
    apply: applySigmoidCalibration,
  },
}

type Points = Of<'isotonic'> | Of<'none'>

function pointsForm<P extends Points>(
  kind: P['kind'],
  pointsMin: number,
  apply: (calibration: { x: number[]; y: number[] }, output: number) => number,
): CalibrationForm<P> {
  return {
    validate: ({ x, y }) => validatePoints(x, y, pointsMin),
    arrays: ({ x, y }) => [
      ['calibrationX', x],
      ['calibrationY', y],
    ],
    read: (arrays) => {
      const x = Array.from(arrays.take('calibrationX'))
      return { kind, x, y: Array.from(arrays.take('calibrationY')) } as P
    },
    apply,
  }
}

function validatePoints(x: number[], y: number[], pointsMin: number): void {
  checkLength('calibration y', y.length, x.length)
  between('calibration x', x.length, x.length, pointsMin, MODEL_LIMITS.calibrationPointsMax)
  allFinite('calibration x', x)
  allFinite('calibration y', y)
  for (let i = 1; i < x.length; i++) {
    check(x[i] > x[i - 1], 'calibration x', i, `above ${x[i - 1]}`, x[i])
    check(y[i] >= y[i - 1], 'calibration y', i, `at least ${y[i - 1]}`, y[i])
  }
}

function ofChances({ nOutputs, link }: ModelBase): void {
  check(
    nOutputs === 1 && link !== 'softmax',
    'calibration',
    0,
    'of a model with one output',
    `${nOutputs} of ${link}`,
  )
}

function interpolate(x: readonly number[], y: readonly number[], at: number): number {
  if (!(at > x[0])) return Number.isNaN(at) ? at : y[0]
  let low = 0
  let high = x.length - 1
  if (at >= x[high]) return y[high]
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (x[middle] <= at) low = middle
    else high = middle
  }
  return y[low] + ((y[high] - y[low]) * (at - x[low])) / (x[high] - x[low])
}

/** Kinds of calibration that are known. */
export const CALIBRATION_KINDS = Object.keys(FORMS) as readonly Kind[]

const formOf = (kind: Kind) => FORMS[kind] as CalibrationForm<Calibration>

/** Errors: MR_MODEL_INVALID. */
export function validateCalibration(calibration: Calibration, model: ModelBase): void {
  check(
    Object.hasOwn(FORMS, calibration.kind),
    'calibration',
    0,
    CALIBRATION_KINDS.join(', '),
    calibration.kind,
  )
  formOf(calibration.kind).validate(calibration, model)
}

export function calibrationArrays(calibration: Calibration): NamedArrays {
  return formOf(calibration.kind).arrays(calibration)
}

/** Errors: MR_MODEL_FORMAT. */
export function readCalibration(kind: Kind, arrays: SectionReader): Calibration {
  return formOf(kind).read(arrays)
}

/** Output of a calibration that maps outputs; NaN for NaN. Cost: O(log points). */
export function calibrate(calibration: Calibration, output: number): number {
  return formOf(calibration.kind).apply(calibration, output)
}
