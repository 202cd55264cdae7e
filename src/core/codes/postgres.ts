/** Error texts of the area `postgres`: tables of a server as sources. What is named never has a password in it. Each: what, fix, retryable, HTTP status. */
export const postgres = {
  MR_DATA_PG_ADDRESS: {
    what: (d: { source: string; why: string }) =>
      `${d.source} does not name rows of a PostgreSQL server: ${d.why}`,
    fix: (_: { source: string; why: string }) =>
      "write it as 'postgres://user@host:5432/database?table=schema.name', or leave the table out and say read: { table: '…' } or read: { query: 'SELECT …' }",
    retryable: false,
    status: 422,
  },
  MR_DATA_PG_CONNECT: {
    what: (d: { source: string; why: string }) => `the server of ${d.source} cannot be reached: ${d.why}`,
    fix: (_: { source: string; why: string }) =>
      'see whether it runs and lets this machine in: psql -h <host> -p <port> -U <user> <database>; what was imported before is used meanwhile',
    retryable: true,
    status: 503,
  },
  MR_DATA_PG_DENIED: {
    what: (d: { source: string; why: string }) => `${d.source} may not be read: ${d.why}`,
    fix: (_: { source: string; why: string }) =>
      'give the password by PGPASSWORD or a line of ~/.pgpass (mode 600), or let the user read: GRANT SELECT ON <table> TO <user>',
    retryable: false,
    status: 403,
  },
  MR_DATA_PG_TABLE: {
    what: (d: { source: string; asked: string; near: string[]; tables: number }) =>
      d.asked === ''
        ? `${d.source} has ${d.tables} tables and views, and none is named${d.near.length > 0 ? `: ${d.near.join(', ')}${d.tables > d.near.length ? ', …' : ''}` : ''}`
        : `${d.source} has no table "${d.asked}"${d.near.length > 0 ? `; near are ${d.near.join(', ')}` : ` among its ${d.tables}`}`,
    fix: (d: { source: string; asked: string; near: string[]; tables: number }) =>
      `name it: ?table=${d.near[0] ?? 'schema.name'} in the address, or read: { table: '${d.near[0] ?? 'schema.name'}' }`,
    retryable: false,
    status: 422,
  },
  MR_DATA_PG_QUERY: {
    what: (d: { source: string; why: string; sql: string }) =>
      `the server of ${d.source} refuses: ${d.why} (${d.sql})`,
    fix: (_: { source: string; why: string; sql: string }) =>
      'try the query by psql; it has to be one SELECT, is run in a transaction that only reads, and each of its columns needs a name of its own',
    retryable: false,
    status: 422,
  },
  MR_DATA_PG_TYPE: {
    what: (d: { source: string; column: string; type: string }) =>
      `column "${d.column}" of ${d.source} is of type ${d.type}, which holds no values that can be kept`,
    fix: (d: { source: string; column: string; type: string }) =>
      `leave it out or turn it into text by a query: read: { query: 'SELECT "${d.column}"::text FROM …' }`,
    retryable: false,
    status: 422,
  },
  MR_DATA_PG_LOST: {
    what: (d: { source: string; why: string; bytes: number }) =>
      `the connection to the server of ${d.source} was lost after ${d.bytes} bytes: ${d.why}`,
    fix: (_: { source: string; why: string; bytes: number }) =>
      'nothing was changed; import again: a snapshot cannot be gone on with, so that it is read from the beginning',
    retryable: true,
    status: 503,
  },
}
