/** The time, as a thing that is passed in, so that tests and replays can run a year in a second. Milliseconds since the epoch. */
export interface Clock {
  now(): number
}

/** Random numbers in [0, 1), as a thing that is passed in, so that every draw can be repeated from its seed. */
export interface Rng {
  next(): number
}
