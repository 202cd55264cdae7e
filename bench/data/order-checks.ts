/** Sixty checks of orders, in words that each tool has. */
import { COUNTRIES, ORDER_COLUMNS, SEGMENTS, STATUSES } from './orders.ts'

export type OrderCheck = { column: string } & (
  | { kind: 'filled' }
  | { kind: 'unique' }
  /** Numbers, or times as ISO text. */
  | { kind: 'range'; min: number | string; max: number | string }
  | { kind: 'set'; values: (string | number)[] }
  | { kind: 'pattern'; pattern: string }
  | { kind: 'quantile'; q: number; min: number; max: number }
)

const range = (column: string, min: number | string, max: number | string): OrderCheck => ({
  column,
  kind: 'range',
  min,
  max,
})
const set = (column: string, values: (string | number)[]): OrderCheck => ({ column, kind: 'set', values })
const pattern = (column: string, text: string): OrderCheck => ({ column, kind: 'pattern', pattern: text })
const quantile = (column: string, q: number, min: number, max: number): OrderCheck => ({
  column,
  kind: 'quantile',
  q,
  min,
  max,
})

/** Bounds of quantiles lie so far from what the rows give that no definition of a quantile decides. */
export const ORDER_CHECKS: OrderCheck[] = [
  ...ORDER_COLUMNS.map((column): OrderCheck => ({ column, kind: 'filled' })),
  { column: 'id', kind: 'unique' },
  range('amount', 0, 900),
  range('price', 5, 100),
  range('quantity', 1, 20),
  range('age', 18, 90),
  range('score', 0, 1),
  range('latitude', -89.9, 89.9),
  range('longitude', -180, 180),
  range('shop', 0, 99_999),
  range('id', 0, 1_000_000_000),
  range('created', '2024-01-01T00:00:00', '2024-12-31T12:00:00'),
  range('updated', '2024-01-01T00:00:00', '2025-02-01T00:00:00'),
  range('born', '1930-01-01T00:00:00', '2013-01-01T00:00:00'),
  set('country', COUNTRIES),
  set('status', STATUSES),
  set('segment', SEGMENTS),
  set(
    'quantity',
    Array.from({ length: 19 }, (_, i) => i + 1),
  ),
  set(
    'age',
    Array.from({ length: 70 }, (_, i) => i + 18),
  ),
  pattern('code', '^[A-Z]{2}-[0-9]{6}$'),
  pattern('email', '^[^@ ]+@[^@ ]+\\.[a-z]+$'),
  pattern('zip', '^[0-9]{5}$'),
  pattern('country', '^[A-Y]{2}$'),
  pattern('note', '^note [0-9]+$'),
  pattern('status', '^(new|paid|sent|done|back)$'),
  quantile('amount', 0.5, 150, 220),
  quantile('amount', 0.99, 0, 800),
  quantile('price', 0.05, 8, 11),
  quantile('price', 0.5, 50, 55),
  quantile('price', 0.95, 90, 98),
  quantile('score', 0.1, 0.08, 0.12),
  quantile('score', 0.5, 0.45, 0.55),
  quantile('score', 0.9, 0.85, 0.95),
  quantile('latitude', 0.1, -75, -70),
  quantile('latitude', 0.9, 60, 65),
  quantile('longitude', 0.25, -95, -85),
  quantile('age', 0.5, 45, 60),
  quantile('age', 0.9, 70, 90),
  quantile('quantity', 0.5, 8, 12),
  quantile('shop', 0.5, 45_000, 55_000),
  quantile('shop', 0.99, 98_000, 99_999),
]
