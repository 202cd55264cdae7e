/** How long things take, in words. Apart from the other formats, as help must start without them. */

/** `0.4 s`, `12 s`, `3 min 5 s`, `2 h 10 min`. */
export function duration(ms: number): string {
  const seconds = ms / 1000
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  if (seconds < 60) return `${Math.round(seconds)} s`
  const minutes = Math.floor(Math.round(seconds) / 60)
  if (minutes < 60) return `${minutes} min ${Math.round(seconds) % 60} s`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** `about 12 s left`. */
export function remaining(ms: number): string {
  return `about ${ms < 1500 ? '1 s' : duration(Math.round(ms / 1000) * 1000).replace(/\.0 s/, ' s')} left`
}
