/** Error texts of the area `train`. Each: what (subject, expected, got), fix (an act), retryable, HTTP status. */
export const train = {}
