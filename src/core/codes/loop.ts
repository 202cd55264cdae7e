/** Error texts of the area `loop`. Each: what (subject, expected, got), fix (an act), retryable, HTTP status. */
export const loop = {}
