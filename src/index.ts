/** Millrace keeps machine-learning models good in production. This entry is what `millrace.config.ts` imports; it loads no engine. */
export * from './core/errors.ts'
export type * from './core/records.ts'
export * from './define/index.ts'
