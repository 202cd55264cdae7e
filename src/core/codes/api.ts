/** Error texts of the area `api`. Each: what (subject, expected, got), fix (an act), retryable, HTTP status. */
export const api = {
  MR_API_QUERY: {
    what: (d: { name: string; need: string; got: string }) => `"${d.name}" must be ${d.need}, got ${d.got}`,
    fix: (d: { name: string; need: string; got: string }) => `ask again with "${d.name}" as ${d.need}`,
    retryable: false,
    status: 400,
  },
  MR_API_MEMBER_UNKNOWN: {
    what: (d: { model: string; member: string }) =>
      `family "${d.model}" has no member "${d.member.slice(0, 64)}"`,
    fix: (d: { model: string; member: string }) =>
      `see the members of "${d.model}": millrace status ${d.model}; keys that are no member are answered by the parent`,
    retryable: false,
    status: 404,
  },
  MR_API_RECORD_UNKNOWN: {
    what: (d: { what: string; name: string }) => `no ${d.what} is called "${d.name.slice(0, 80)}"`,
    fix: (d: { what: string; name: string }) =>
      `take the digest of a ${d.what} from the page of its model or dataset, or from millrace status`,
    retryable: false,
    status: 404,
  },
  MR_API_NOT_TRAINED: {
    what: (d: { model: string }) => `model "${d.model}" has no version yet`,
    fix: (d: { model: string }) => `train it: millrace train ${d.model}`,
    retryable: true,
    status: 409,
  },
  MR_API_STREAMS: {
    what: (d: { max: number }) => `${d.max} readers follow this server's stream already`,
    fix: (_: { max: number }) => 'close a tab or a program that listens to /api/stream, then ask again',
    retryable: true,
    status: 429,
  },
}
