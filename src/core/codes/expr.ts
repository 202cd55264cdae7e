/** Error texts of the area `expr`. Each: what (subject, expected, got), fix (an act), retryable, HTTP status. */
export const expr = {}
