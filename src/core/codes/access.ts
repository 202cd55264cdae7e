/** Error texts of the area `access`: tokens, their scopes and limits, and TLS. Each: what (subject, expected, got), fix (an act), retryable, HTTP status. */

type Grant = { field: string; need: string; got: string }
type Scoped = { token: string; needs: string[]; has: string[] }
type Model = { token: string; model: string; models: string[] }
type Tls = { file: string; why: string }
type Limited = { token: string; rate: string; retryAfterS: number }

export const access = {
  MR_ACCESS_GRANT: {
    what: (d: Grant) => `"${d.field}" of a token must be ${d.need}, got ${d.got}`,
    fix: (d: Grant) => `give ${d.field} as ${d.need}`,
    retryable: false,
    status: 400,
  },
  MR_ACCESS_SCOPE: {
    what: (d: Scoped) =>
      `token "${d.token}" has the scopes ${d.has.join(', ')}, and this needs ${d.needs.join(' or ')}`,
    fix: (d: Scoped) => `ask with a token that has ${d.needs.join(' or ')}, or make one: millrace token add`,
    retryable: false,
    status: 403,
  },
  MR_ACCESS_MODEL: {
    what: (d: Model) =>
      d.model === ''
        ? `token "${d.token}" is of the models ${d.models.join(', ')}, and this speaks of all models`
        : `token "${d.token}" is of the models ${d.models.join(', ')}, and this is model "${d.model.slice(0, 64)}"`,
    fix: (_: Model) => 'ask about one of these models, or with a token of more models',
    retryable: false,
    status: 403,
  },
  MR_ACCESS_RATE: {
    what: (d: Limited) => `token "${d.token}" may ask ${d.rate.replace(',', ' at once: ')}, and asked more`,
    fix: (d: Limited) =>
      `ask again in ${d.retryAfterS} s, send several rows in one request, or raise the rate of the token`,
    retryable: true,
    status: 429,
  },
  MR_ACCESS_TRIES: {
    what: (_: { retryAfterS: number }) => 'too many requests with a wrong token came from this address',
    fix: (d: { retryAfterS: number }) => `wait ${d.retryAfterS} s, then send the right token`,
    retryable: true,
    status: 429,
  },
  MR_ACCESS_EXPIRED: {
    what: (d: { token: string; at: string }) => `token "${d.token}" ended at ${d.at}`,
    fix: (_: { token: string; at: string }) => 'make another one: millrace token add',
    retryable: false,
    status: 401,
  },
  MR_ACCESS_FILE: {
    what: (d: { file: string; line: number; why: string }) =>
      d.line === 0
        ? `the file of tokens ${d.file.slice(-80)} cannot be read: ${d.why}`
        : `line ${d.line} of the file of tokens ${d.file.slice(-80)} is no token: ${d.why}`,
    fix: (_: { file: string; line: number; why: string }) =>
      'write one JSON object a line, as millrace token make prints it',
    retryable: false,
    status: 400,
  },
  MR_ACCESS_NAME_TAKEN: {
    what: (d: { token: string }) => `there is a token "${d.token}" already`,
    fix: (d: { token: string }) =>
      `choose another name, or replace it: millrace token add ${d.token} --replace`,
    retryable: false,
    status: 409,
  },
  MR_ACCESS_UNKNOWN: {
    what: (d: { token: string; known: string[] }) => `there is no token "${d.token.slice(0, 64)}"`,
    fix: (d: { token: string; known: string[] }) =>
      d.known.length === 0
        ? 'there are none; make one: millrace token add'
        : `name one of: ${d.known.slice(0, 20).join(', ')}`,
    retryable: false,
    status: 404,
  },
  MR_TRACE_SETTING: {
    what: (d: { name: string; need: string; got: string }) => `${d.name} must be ${d.need}, got "${d.got}"`,
    fix: (d: { name: string; need: string; got: string }) => `set ${d.name} to ${d.need}, or leave it out`,
    retryable: false,
    status: 400,
  },
  MR_TLS_FILE: {
    what: (d: Tls) => `the file ${d.file.slice(-80)} for TLS cannot be read: ${d.why.slice(0, 120)}`,
    fix: (_: Tls) => 'name a file that this process may read (--tls-cert, --tls-key, --tls-ca)',
    retryable: false,
    status: 500,
  },
  MR_TLS_CERTIFICATE: {
    what: (d: Tls) => `the certificate ${d.file.slice(-80)} cannot be used: ${d.why}`,
    fix: (_: Tls) =>
      'put a certificate in PEM there that is valid now, then those that lead to its authority',
    retryable: false,
    status: 500,
  },
  MR_TLS_KEY: {
    what: (d: Tls) => `the private key ${d.file.slice(-80)} cannot be used: ${d.why}`,
    fix: (_: Tls) => 'put the key of the certificate there, in PEM and without a passphrase',
    retryable: false,
    status: 500,
  },
  MR_TLS_PAIR: {
    what: (_: { got: string }) => `TLS needs a certificate and its key, got ${_.got} alone`,
    fix: (_: { got: string }) => 'give both --tls-cert and --tls-key',
    retryable: false,
    status: 400,
  },
}
