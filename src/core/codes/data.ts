/** Error texts of the area `data`. Each: what (subject, expected, got), fix (an act), retryable, HTTP status. */
export const data = {}
