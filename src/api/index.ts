/** The API room: JSON answers over an open project, its stream, and the console's files. */
export { type ActionAsk, type Actions, loopActions } from './actions.ts'
export { type ConsoleFiles, type ConsoleOptions, consoleFiles } from './console-files.ts'
export { API_LIMITS } from './limits.ts'
export { type ApiDeps, apiRoutes } from './routes.ts'
export type { ProgressSource } from './stream.ts'
export * from './views/index.ts'
