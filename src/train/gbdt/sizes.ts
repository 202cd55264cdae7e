/** Slots of one feature in a histogram. */
export const SLOTS = 256

/** Leaf of rows that a tree was not grown on. */
export const NO_LEAF = 0xffff
