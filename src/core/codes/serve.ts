/** Error texts of the area `serve`. Each: what (subject, expected, got), fix (an act), retryable, HTTP status. */
export const serve = {}
