/** Error texts of the area `stats`. Each: what (subject, expected, got), fix (an act), retryable, HTTP status. */
export const stats = {}
