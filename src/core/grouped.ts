/** `1437410` as `1,437,410`. */
export const grouped = (n: number): string => n.toLocaleString('en-US')
