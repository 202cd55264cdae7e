import { ProgressFeed, type TrainProgress } from 'millrace/runtime'

/**
 * Tells the story: a line for each thing that happened, a moving line for what is under way, and the same to the console.
 * Estimates are the planned seconds of the steps ahead, scaled by how this machine has done so far.
 */
export class Teller extends ProgressFeed {
  readonly #json: boolean
  readonly #steps: number
  readonly #tty = process.stderr.isTTY
  #step = 0
  #title = ''
  #plannedS = 0
  #doneS = 0
  #begunMs = 0
  #spentMs = 0
  #shownMs = 0
  readonly #startMs = performance.now()

  constructor(options: { json: boolean; steps: number }) {
    super()
    this.#json = options.json
    this.#steps = options.steps
  }

  address(address: string): void {
    if (this.#json) this.#print({ address })
    else this.line(`Millrace serves on ${address} while the story runs: open it to watch.\n`)
  }

  /** Begins a step that takes about so many seconds on two cores. */
  step(title: string, plannedS: number): void {
    this.#step++
    this.#title = title
    this.#plannedS = plannedS
    this.#begunMs = performance.now()
    this.progress(0, '')
  }

  readonly progress = (done: number, note: string): void => {
    const etaMs = this.#eta(done)
    this.publish({ step: this.#step, steps: this.#steps, title: this.#title, note, done, etaMs })
    const now = performance.now()
    if (this.#json || !this.#tty || (now - this.#shownMs < 200 && done < 1)) return
    this.#shownMs = now
    const left = etaMs === null ? '' : `  about ${Math.max(1, Math.round(etaMs / 1000))} s left of this step`
    process.stderr.write(
      `\r\x1b[2K  ${this.#step}/${this.#steps} ${this.#title}  ${Math.round(done * 100)} %  ${note}${left}`.slice(
        0,
        (process.stderr.columns ?? 120) + 5,
      ),
    )
  }

  readonly training = ({ stage, done, note }: TrainProgress): void => {
    const from = { prepare: 0, parent: 0.15, members: 0.5, gate: 0.9 }[stage]
    const span = { prepare: 0.15, parent: 0.35, members: 0.4, gate: 0.1 }[stage]
    this.progress(from + span * done, note)
  }

  done(known: boolean, text: string): void {
    const seconds = (performance.now() - this.#begunMs) / 1000
    this.#spentMs += seconds * 1000
    this.#doneS += this.#plannedS
    this.publish({ step: this.#step, steps: this.#steps, title: this.#title, note: text, done: 1, etaMs: 0 })
    if (this.#json)
      this.#print({ step: this.#step, title: this.#title, known, seconds: +seconds.toFixed(2), text })
    else
      this.line(
        `${this.#step}/${this.#steps} ${this.#title} — ${known ? 'done before' : `${seconds.toFixed(1)} s`}\n      ${text}`,
      )
  }

  line(text: string): void {
    if (this.#json) this.#print({ line: text.trim() })
    else process.stdout.write(`${this.#tty ? '\r\x1b[2K' : ''}${text}\n`)
  }

  /** Seconds since the story began. */
  elapsed(): number {
    return (performance.now() - this.#startMs) / 1000
  }

  #eta(done: number): number | null {
    const spentMs = performance.now() - this.#begunMs
    if (done > 0.05) return (spentMs * (1 - done)) / done
    const pace = this.#doneS > 0 ? this.#spentMs / 1000 / this.#doneS : 1
    return this.#plannedS === 0 ? null : Math.max(0, this.#plannedS * 1000 * Math.max(pace, 0.2) - spentMs)
  }

  #print(value: object): void {
    process.stdout.write(`${JSON.stringify(value)}\n`)
  }
}
