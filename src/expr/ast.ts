/**
 * The expression tree: features, targets, checks and slices are all this. Plain JSON; compiled to SQL (`duckdb.ts`) and to a closure (`closure.ts`).
 */
export type ExprNode =
  | { op: 'col'; name: string }
  | { op: 'lit'; value: null | boolean | number | string; type?: 'time' }
  | { op: 'call'; fn: string; args: ExprNode[] }
  /** A step that learns from the training rows: its state is part of the model version. */
  | { op: 'fit'; fn: 'category' | 'rate'; arg: ExprNode; params: Record<string, number | string> }
