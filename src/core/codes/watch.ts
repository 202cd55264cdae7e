/** Error texts of the area `watch`. Each: what (subject, expected, got), fix (an act), retryable, HTTP status. */
export const watch = {
  MR_WATCH_ALERT_UNKNOWN: {
    what: (d: { id: string }) => `there is no alert "${d.id.slice(0, 64)}"`,
    fix: (_: { id: string }) => 'list them with `millrace watch`, or take the id from the console',
    retryable: false,
    status: 404,
  },
}
