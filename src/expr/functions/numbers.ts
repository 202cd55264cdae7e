import { arg, type FnSpec, literal, x, y } from './spec.ts'

/** Rounds half away from zero, as SQL does. */
function roundHalfAway(v: number): number {
  return v < 0 ? -Math.round(-v) : Math.round(v)
}

function roundTo(digits: number): (v: number) => number {
  const scale = 10 ** digits
  return (v) => {
    const scaled = roundHalfAway(v * scale) / scale
    return Number.isFinite(scaled) ? scaled : v
  }
}

/** C's pow: 1 to any power is 1, also where ECMAScript says NaN. */
function power(base: number, exponent: number): number {
  return Math.abs(base) === 1 && !Number.isFinite(exponent) ? 1 : base ** exponent
}

/** ln(1 + v) without losing small v: ln(u) · v / (u − 1) with u = 1 + v rounded (Kahan; HP-15C Advanced Functions Handbook, 1982). */
function log1p(v: number): number | null {
  const u = 1 + v
  if (!(u > 0)) return v > -1 ? Math.log(u) : null
  if (u === 1 || u === Number.POSITIVE_INFINITY) return v
  return (Math.log(u) * v) / (u - 1)
}

/** Index of the bin: how many edges are at or below `v`. */
function bin(...edges: number[]): (v: number) => number {
  return (v) => {
    let low = 0
    let high = edges.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (edges[middle]! <= v) low = middle + 1
      else high = middle
    }
    return low
  }
}

function binText(count: number): string {
  const arms = Array.from({ length: count - 1 }, (_, i) => `WHEN {0} < {${i + 1}} THEN ${i}`)
  return `CAST(CASE ${arms.join(' ')} WHEN {0} IS NOT NULL THEN ${count - 1} END AS DOUBLE)`
}

const unary = (
  doc: string,
  sql: string,
  js: (v: number) => number | null,
  more: Partial<FnSpec> = {},
): FnSpec => ({
  doc,
  args: [x],
  result: 'number',
  sql,
  js: js as FnSpec['js'],
  ...more,
})

const binary = (
  doc: string,
  sql: string,
  js: (l: number, r: number) => number | null,
  more: Partial<FnSpec> = {},
): FnSpec => ({
  doc,
  args: [x, y],
  result: 'number',
  sql,
  js: js as FnSpec['js'],
  ...more,
})

/** Arithmetic and mathematics on doubles. */
export const numbers = {
  add: binary('Sum.', '({0} + {1})', (l, r) => l + r, { nan: 'passes' }),
  sub: binary('Difference.', '({0} - {1})', (l, r) => l - r, { nan: 'passes' }),
  mul: binary('Product.', '({0} * {1})', (l, r) => l * r, { nan: 'passes' }),
  div: binary(
    'Quotient; missing when the divisor is 0.',
    'CASE WHEN {1} <> 0 THEN {0} / {1} END',
    (l, r) => (r === 0 ? null : l / r),
    {
      nan: 'passes',
    },
  ),
  mod: binary(
    'Remainder with the sign of the dividend; missing when the divisor is 0.',
    'CASE WHEN {1} <> 0 THEN {0} % {1} END',
    (l, r) => (r === 0 ? null : l % r),
    { nan: 'passes' },
  ),
  pow: binary(
    'First to the power of the second; a root of a negative number is missing.',
    'pow({0}, {1})',
    power,
    { nan: 'makes', ulps: 4 },
  ),
  neg: unary('The number with its sign turned.', '(-{0})', (v) => -v, { nan: 'passes' }),
  abs: unary('Absolute value.', 'abs({0})', Math.abs, { nan: 'passes' }),
  sign: unary('-1, 0 or 1.', 'CAST(sign({0}) AS DOUBLE)', Math.sign),
  floor: unary('Largest whole number not above.', 'floor({0})', Math.floor),
  ceil: unary('Smallest whole number not below.', 'ceil({0})', Math.ceil),
  round: {
    doc: 'Nearest number with so many decimals, halves away from zero.',
    args: [x, literal('digits', { kind: 'number', integer: true, min: 0, max: 15 })],
    result: 'number',
    sql: 'round({0}, CAST({1} AS INTEGER))',
    bind: roundTo as FnSpec['bind'],
  },
  sqrt: unary('Square root; missing below 0.', 'CASE WHEN {0} >= 0 THEN sqrt({0}) END', (v) =>
    v >= 0 ? Math.sqrt(v) : null,
  ),
  exp: unary('e to that power.', 'exp({0})', Math.exp, { ulps: 4 }),
  ln: unary(
    'Natural logarithm; missing at 0 and below.',
    'CASE WHEN {0} > 0 THEN ln({0}) END',
    (v) => (v > 0 ? Math.log(v) : null),
    {
      ulps: 4,
    },
  ),
  log1p: unary(
    'Natural logarithm of 1 + x, exact for small x; missing at -1 and below.',
    "CASE WHEN 1 + {0} = 1 OR {0} = 'inf'::DOUBLE THEN {0} WHEN {0} > -1 THEN ln(1 + {0}) * {0} / ((1 + {0}) - 1) END",
    log1p,
    { ulps: 8 },
  ),
  min: binary(
    'The smaller of two numbers; missing when either is.',
    'CASE WHEN {0} <= {1} THEN {0} WHEN {1} < {0} THEN {1} END',
    Math.min,
  ),
  max: binary(
    'The greater of two numbers; missing when either is.',
    'CASE WHEN {0} >= {1} THEN {0} WHEN {1} > {0} THEN {1} END',
    Math.max,
  ),
  clamp: {
    doc: 'The number, moved to the nearer bound when outside.',
    args: [x, literal('low', { kind: 'number' }), literal('high', { kind: 'number' })],
    result: 'number',
    sql: 'CASE WHEN {0} < {1} THEN {1} WHEN {0} > {2} THEN {2} ELSE {0} END',
    bind: ((low: number, high: number) => (v: number) =>
      v < low ? low : v > high ? high : v) as FnSpec['bind'],
  },
  bucket: {
    doc: 'Number of the equal-width interval that holds x: floor((x - origin) / width).',
    args: [
      x,
      literal('width', { kind: 'number', min: 0, exclusiveMin: true }),
      literal('origin', { kind: 'number' }),
    ],
    result: 'number',
    sql: 'floor(({0} - {2}) / {1})',
    bind: ((width: number, origin: number) => (v: number) =>
      Math.floor((v - origin) / width)) as FnSpec['bind'],
  },
  bin: {
    doc: 'Number of the half-open interval between ascending edges that holds x: 0 below the first edge, k at or above the last.',
    args: [x, literal('edges', { kind: 'number' })],
    restMin: 1,
    result: 'number',
    sql: binText,
    bind: bin as FnSpec['bind'],
    ascending: true,
  },
  number: {
    doc: 'A number as it is; true as 1, false as 0.',
    args: [arg('a', 'any')],
    result: 'number',
    sql: 'CAST({0} AS DOUBLE)',
    js: ((v: number | boolean) => Number(v)) as FnSpec['js'],
    accepts: ['number', 'bool'],
  },
  bool: {
    doc: 'Whether a number is not 0; a boolean as it is.',
    args: [arg('a', 'any')],
    result: 'bool',
    sql: 'CAST({0} AS BOOLEAN)',
    js: ((v: number | boolean) => Boolean(v)) as FnSpec['js'],
    accepts: ['number', 'bool'],
  },
} satisfies Record<string, FnSpec>
