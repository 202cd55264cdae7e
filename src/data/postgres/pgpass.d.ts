/** The module has no types of its own. */
declare module 'pgpass' {
  /** Calls back with the password of ~/.pgpass, or of the file that PGPASSFILE names, for these parameters. */
  export default function pgPass(
    wanted: { host?: string; port?: number; user?: string; database?: string },
    found: (password: string | undefined) => void,
  ): void
}
