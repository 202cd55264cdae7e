/** Error texts of the area `model`. Each: what (subject, expected, got), fix (an act), retryable, HTTP status. */
export const model = {}
