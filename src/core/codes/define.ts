/** Error texts of the area `define`. Each: what (subject, expected, got), fix (an act), retryable, HTTP status. */
export const define = {}
