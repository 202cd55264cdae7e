/** Error texts of the area `store`. Each: what (subject, expected, got), fix (an act), retryable, HTTP status. */
export const store = {}
