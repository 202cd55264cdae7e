/** Does work again and again, each time only once the time before has ended. `work` tells of its own failures. Stopped by `clearInterval`. */
export function every(ms: number, work: () => Promise<unknown>): NodeJS.Timeout {
  let busy = false
  return setInterval(() => {
    if (busy) return
    busy = true
    void work().finally(() => {
      busy = false
    })
  }, ms)
}
