/** The command line as a user meets it: a process of its own, files on disk, exit codes, and what stands on its two streams. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const bin = join(root, 'bin/millrace.cjs')
const shared = join(root, '../shared/data')

interface Ran {
  code: number | null
  out: string
  err: string
}

/** Runs `millrace …` in a folder; `onOut` sees what it has written so far. */
function millrace(
  cwd: string,
  args: string[],
  onOut?: (out: string, child: ChildProcess) => void,
): Promise<Ran> {
  const child = spawn(process.execPath, [bin, ...args], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, CI: '1' },
  })
  return new Promise((done) => {
    let [out, err] = ['', '']
    child.stdout.on('data', (chunk) => {
      out += chunk
      onOut?.(out, child)
    })
    child.stderr.on('data', (chunk) => {
      err += chunk
    })
    child.on('close', (code) => done({ code, out, err }))
  })
}

const lines = (out: string) =>
  out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)

/** Passengers of a ship that never sailed: who lives depends on sex, class and age, with chance; `alive` says the same as `survived`. */
function passengers(rows: number): string {
  let state = 7
  const chance = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
  const text = ['passenger,survived,pclass,sex,age,fare,alive']
  for (let i = 0; i < rows; i++) {
    const [sex, pclass, age] = [
      chance() < 0.6 ? 'male' : 'female',
      1 + Math.floor(3 * chance()),
      Math.floor(70 * chance()),
    ]
    const survived =
      chance() < 0.1 + (sex === 'female' ? 0.55 : 0) + (pclass === 1 ? 0.2 : 0) + (age < 12 ? 0.15 : 0)
        ? 1
        : 0
    const fare = (60 / pclass + 10 * chance()).toFixed(2)
    text.push(
      [i + 1, survived, pclass, sex, chance() < 0.15 ? '?' : age, fare, survived ? 'yes' : 'no'].join(','),
    )
  }
  return `${text.join('\n')}\n`
}

let base = ''
beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), 'millrace-cli-'))
})
afterAll(() => rmSync(base, { recursive: true, force: true }))

function folder(name: string, files: Record<string, string> = {}): string {
  const dir = join(base, name)
  mkdirSync(dir, { recursive: true })
  for (const [file, text] of Object.entries(files)) writeFileSync(join(dir, file), text)
  return dir
}

describe('from a file to an answer', () => {
  let dir = ''
  let id = ''

  test('init writes a config that a person can read, and says what it guessed and why', async () => {
    dir = folder('ship', { 'passengers.csv': passengers(900) })
    const { code, out } = await millrace(dir, ['init', 'passengers.csv', '--yes'])
    expect(code).toBe(0)
    expect(out).toContain("col('survived').eq(1)")
    expect(out).toContain('alive: it gives the answer away')
    expect(out).toContain('passenger: it numbers the rows')
    const config = readFileSync(join(dir, 'millrace.config.ts'), 'utf8')
    expect(config).toContain("read: { missing: ['?'] }")
    expect(readFileSync(join(dir, '.gitignore'), 'utf8')).toBe('.millrace/\n')
    expect(JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'))).toMatchObject({ type: 'module' })
    expect(readFileSync(join(dir, 'millrace-env.d.ts'), 'utf8')).toContain('      age: number | null')
  })

  test('a second init changes nothing and says what to do', async () => {
    const { code, err } = await millrace(dir, ['init', 'passengers.csv', '--yes'])
    expect(code).toBe(1)
    expect(err).toMatch(/^MR_CLI_EXISTS: .*\nfix: .*--force/)
  })

  test('a wrong column in the config fails the type check, the right one passes', () => {
    mkdirSync(join(dir, 'node_modules'))
    symlinkSync(root, join(dir, 'node_modules/millrace'))
    const options = {
      target: 'ES2023',
      module: 'NodeNext',
      moduleResolution: 'NodeNext',
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      types: [],
    }
    writeFileSync(join(dir, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, include: ['*.ts'] }))
    const path = join(dir, 'millrace.config.ts')
    const config = readFileSync(path, 'utf8')
    const check = () =>
      execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', dir], {
        encoding: 'utf8',
      })
    expect(check()).toBe('')
    try {
      writeFileSync(path, config.replace("col('survived')", "col('survivd')"))
      expect(check).toThrow()
    } finally {
      writeFileSync(path, config)
    }
  })

  test('plan prints what is inferred and does nothing', async () => {
    const { code, out } = await millrace(dir, ['plan'])
    expect(code).toBe(0)
    expect(out).toContain('sex = category(sex): category')
    expect(out).toContain('not imported yet; 1 file found')
    expect(out).toContain('Nothing was done')
    const [plan] = lines((await millrace(dir, ['up', '--dry-run', '--json'])).out)
    expect(plan).toMatchObject({ dryRun: true, datasets: [{ version: null, rows: 900 }] })
  })

  test('up --once imports, trains, gates and releases; a second time finds it done', async () => {
    const first = await millrace(dir, ['up', '--once', '--json'])
    expect(first.err).toBe('')
    expect(first.code).toBe(0)
    expect(lines(first.out).map((line) => line.event)).toEqual(['imported', 'trained', 'released', 'done'])
    const second = await millrace(dir, ['up', '--once'])
    expect(second.code).toBe(0)
    expect(second.out).toContain('nothing new; 900 rows')
    expect(second.out).toContain('v1 since')
  })

  test('up serves a prediction, prints a request with a real row, and Ctrl-C ends it in order', async () => {
    let asked: Promise<unknown> | undefined
    const ran = await millrace(dir, ['up', '--port', '0', '--json'], (out, child) => {
      if (asked || !out.includes('"event":"ready"')) return
      const ready = lines(out).find((line) => line.event === 'ready') as { curl: string; address: string }
      const row = JSON.parse(/-d '(.*)'$/s.exec(ready.curl)?.[1] ?? '') as object
      const request = {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(row),
      }
      asked = fetch(`${ready.address}/predict/survived`, request)
        .then((answer) => answer.json())
        .finally(() => child.kill('SIGINT'))
    })
    const answer = (await asked) as { id: string; probability: number }
    expect(answer.probability).toBeGreaterThan(0)
    expect(answer.probability).toBeLessThan(1)
    id = answer.id
    expect(ran.code).toBe(0)
    expect(lines(ran.out).at(-1)).toEqual({ event: 'stopped' })
    expect(ran.err).toBe('')
  })

  test('why explains that answer, and its parts add up', async () => {
    const { code, out } = await millrace(dir, ['why', id, '--json'])
    expect(code).toBe(0)
    const [{ explanation }] = lines(out) as [
      { explanation: { base: number; raw: number; contributions: { contribution: number }[] } },
    ]
    const sum = explanation.contributions.reduce((s, c) => s + c.contribution, explanation.base)
    expect(sum).toBeCloseTo(explanation.raw, 9)
    expect((await millrace(dir, ['why', id])).out).toContain('survived v1 answered')
  })

  test.each([
    [['status'], 0],
    [['status', 'survived'], 0],
    [['plan'], 0],
    [['run', '--dry-run'], 0],
    [['run', 'survived'], 0],
    [['train', 'survived'], 0],
    [['train', 'survived', '--dry-run'], 0],
    [['gate', 'survived'], 0],
    [['release', 'survived', '--dry-run'], 0],
    [['promote', 'survived', '--dry-run'], 0],
    [['watch', 'survived'], 0],
    [['alerts'], 0],
    [['alerts', '--all'], 0],
    [['events', '--limit', '3'], 0],
    [['types'], 0],
    [['types', '--dry-run'], 0],
    [['doctor', '--port', '0'], 0],
    [['completion', 'fish'], 0],
    [['data', 'import'], 0],
    [['data', 'import', '--dry-run'], 0],
    [['data', 'log', 'passengers'], 0],
    [['data', 'show', 'passengers'], 0],
    [['data', 'diff', 'passengers', 'passengers'], 0],
    [['data', 'verify'], 0],
    [['data', 'quarantine', 'passengers'], 0],
    [['data', 'repair', 'passengers', '--dry-run'], 0],
    [['data', 'repair', 'passengers'], 0],
    [['--version'], 0],
  ])('millrace %j answers in JSON on stdout alone, and in words', async (args, code) => {
    const json = await millrace(dir, [...args, '--json'])
    expect(json.err).toBe('')
    expect(json.code).toBe(code)
    expect(lines(json.out).length).toBeGreaterThan(0)
    const words = await millrace(dir, args)
    expect(words.code).toBe(code)
    expect(words.out.trim()).not.toBe('')
    expect(words.out).not.toContain('\u001b')
    expect(words.out).not.toMatch(/undefined|NaN|\[object/)
  })

  test.each([
    [['rollback', 'survived'], 'MR_LOOP_NOTHING_BEFORE', 1],
    [['rollback', 'survivd', '--dry-run'], 'MR_LOOP_UNKNOWN', 1],
    [['why', 'nothing'], 'MR_LOOP_PREDICTION_UNKNOWN', 1],
    [['alerts', 'ack', 'nothing'], 'MR_WATCH_ALERT_UNKNOWN', 1],
    [['alerts', 'ack'], 'MR_CLI_USAGE', 2],
    [['alerts', 'shout'], 'MR_CLI_VALUE', 2],
    [['data', 'show', 'ships'], 'MR_DATA_VERSION', 1],
    [['data', 'log', 'ships'], 'MR_DATA_VERSION', 1],
    [['data', 'import', 'passengers', '--file', 'nothing.csv'], 'MR_DATA_NO_FILES', 1],
    [['data', 'import', 'passengers', '--select', 'June'], 'MR_CLI_VALUE', 2],
    [['backtest', 'survived', '--train', 'all'], 'MR_CLI_USAGE', 2],
    [['backtest', 'survived', '--test', '2001-06', '--train', 'all'], 'MR_TRAIN_NO_TIME', 1],
    [['watch', 'survived', '--limit', 'many'], 'MR_CLI_VALUE', 2],
    [['up', '--port', 'http'], 'MR_CLI_VALUE', 2],
    [['up', '--port', '0', '--host', '0.0.0.0'], 'MR_SERVE_TOKEN_NEEDED', 1],
    [['completion', 'tcsh'], 'MR_CLI_VALUE', 2],
    [['sail'], 'MR_CLI_USAGE', 2],
    [['data', 'sail'], 'MR_CLI_USAGE', 2],
    [['status', '--sail'], 'MR_CLI_USAGE', 2],
    [['train'], 'MR_CLI_USAGE', 2],
    [['model', 'import', 'x.onnx'], 'MR_CLI_USAGE', 2],
    [['model', 'import', 'x.onnx', '--as', 'survived', '--gives', 'wishes'], 'MR_CLI_VALUE', 2],
    [['status', '--project', '/nowhere/at/all'], 'MR_DEFINE_NO_CONFIG', 1],
  ])('millrace %j is refused with %s', async (args, error, code) => {
    const words = await millrace(dir, args)
    expect(words.err).toMatch(new RegExp(`^${error}: .+\\nfix: .+\\n$`))
    expect(words.code).toBe(code)
    const json = await millrace(dir, [...args, '--json'])
    expect(JSON.parse(json.err.trim().split('\n').at(-1) as string)).toMatchObject({
      code: error,
      fix: expect.any(String),
    })
    expect(json.code).toBe(code)
  })

  test('what is missing is named at once: the models there are, and all that a backtest needs', async () => {
    for (const args of [['train'], ['release'], ['model', 'import', 'x.onnx']])
      expect((await millrace(dir, args)).err).toContain('models: survived')
    expect((await millrace(dir, ['backtest'])).err).toContain('models: survived')
    const { err } = await millrace(dir, ['backtest', 'survived'])
    for (const option of ['--train', '--ages', '--sliding', '--expanding', '--test'])
      expect(err.split('\n')[0]).toContain(`'${option}`)
  })

  test('a port that somebody else has is named before any work is done', async () => {
    const server = createServer()
    const port = await new Promise<number>((done) => {
      server.listen(0, '127.0.0.1', () => done((server.address() as { port: number }).port))
    })
    const { code, err, out } = await millrace(dir, ['up', '--port', String(port)])
    server.close()
    expect(err).toMatch(/^MR_PORT_TAKEN: .*\nfix: .*--port/)
    expect(code).toBe(1)
    expect(out).not.toContain('Import')
  })

  test('a damaged part ends verify with 3, and repair makes the same bytes again', async () => {
    const [page] = lines((await millrace(dir, ['data', 'show', 'passengers', '--json'])).out) as [
      { parts: { digest: string }[] },
    ]
    const hex = page.parts[0].digest.slice('sha256:'.length)
    const path = execFileSync('find', [join(dir, '.millrace'), '-name', `*${hex.slice(8)}*`], {
      encoding: 'utf8',
    })
      .trim()
      .split('\n')[0]
    execFileSync('chmod', ['u+w', path])
    truncateSync(path, 100)
    const bad = await millrace(dir, ['data', 'verify', 'passengers'])
    expect(bad.code).toBe(3)
    expect(bad.out).toContain('millrace data repair passengers')
    expect((await millrace(dir, ['data', 'repair', 'passengers', '--dry-run'])).out).toContain(
      'again from its source',
    )
    const repaired = await millrace(dir, ['data', 'repair', 'passengers'])
    expect(repaired.out).toContain('1 part made again')
    expect((await millrace(dir, ['data', 'verify', 'passengers'])).code).toBe(0)
  })

  test('new rows become a new version, and rollback goes back to what was live before', async () => {
    writeFileSync(join(dir, 'passengers.csv'), passengers(1500))
    const config = join(dir, 'millrace.config.ts')
    const text = readFileSync(config, 'utf8')
    writeFileSync(
      config,
      text.replace('  watch: {', '  release: immediate(),\n  watch: {').replace('gbdt,', 'gbdt, immediate,'),
    )
    const ran = await millrace(dir, ['run', '--reason', 'more passengers', '--json'])
    expect(ran.err).toBe('')
    const last = lines(ran.out).at(-1) as { models: { version: number; passed: boolean }[] }
    expect(last.models[0]).toMatchObject({ version: 2 })
    if (ran.code === 3) return
    const dry = await millrace(dir, ['rollback', 'survived', '--dry-run'])
    expect(dry.out).toContain('Nothing is changed')
    const back = await millrace(dir, ['rollback', 'survived', '--reason', 'a test'])
    expect(back.code).toBe(0)
    expect(back.out).toContain('v1 100 %')
    expect((await millrace(dir, ['status'])).out).toContain('survived is live at v1')
  })

  test('a source that is gone does not stop what answers already', async () => {
    rmSync(join(dir, 'passengers.csv'))
    const { code, out } = await millrace(dir, ['up', '--once'])
    expect(code).toBe(0)
    expect(out).toContain('MR_DATA_NO_FILES')
    expect(out).toContain('what was imported before is used')
    expect((await millrace(dir, ['run'])).err).toMatch(/^MR_DATA_NO_FILES/)
  })

  test('events --follow ends with Ctrl-C, and a reader that has seen enough is no error', async () => {
    let stopped = false
    const { code, out } = await millrace(dir, ['events', '--follow', '--json'], (_, child) => {
      if (!stopped) child.kill('SIGINT')
      stopped = true
    })
    expect(code).toBe(0)
    expect(lines(out).at(-1)).toEqual({ event: 'stopped' })
    const piped = execFileSync(
      'bash',
      [
        '-c',
        `"${process.execPath}" "${bin}" events --json --limit 500 --project "${dir}" | head -c 10; echo " \${PIPESTATUS[0]}"`,
      ],
      { encoding: 'utf8' },
    )
    expect(piped).toMatch(/ 0\n$/)
  })
})

describe('verdicts and interruptions', () => {
  test('closed gates end with 3 and say what is closed; nothing is released', async () => {
    const noise = [
      'y,x',
      ...Array.from(
        { length: 400 },
        (_, i) => `${(i * 7919) % 13 < 6 ? 'yes' : 'no'},${(i * 104_729) % 101}`,
      ),
    ].join('\n')
    const dir = folder('noise', { 'noise.csv': noise })
    expect((await millrace(dir, ['init', 'noise.csv'])).code).toBe(0)
    const once = await millrace(dir, ['up', '--once'])
    expect(once.out).toContain('its gates are closed')
    expect(once.code).toBe(3)
    expect((await millrace(dir, ['gate', 'noise-model'])).code).toBe(3)
    const refused = await millrace(dir, ['release', 'noise-model'])
    expect(refused.err).toMatch(/^MR_LOOP_GATES_CLOSED/)
    expect(refused.code).toBe(3)
    expect((await millrace(dir, ['status'])).out).toContain('its gates are closed, so it is not released')
  })

  test('Ctrl-C in a training ends with 130, says that work is kept, and the next command finds it', async () => {
    const dir = folder('long', { 'passengers.csv': passengers(40_000) })
    await millrace(dir, ['init', 'passengers.csv'])
    const config = join(dir, 'millrace.config.ts')
    const slow = 'trainer: gbdt({ trees: 10000, leaves: 255, minRowsInLeaf: 2, earlyStoppingRounds: 0 }),'
    const text = readFileSync(config, 'utf8')
    writeFileSync(
      config,
      text.replace('import { col,', 'import { gbdt, col,').replace('  split:', `  ${slow}\n  split:`),
    )
    const begun = performance.now()
    let isAsked = false // a second Ctrl-C ends at once, without a word
    const { code, err } = await millrace(dir, ['up', '--once'], (out, child) => {
      if (isAsked || !out.includes('✓ Import')) return
      isAsked = true
      setTimeout(() => child.kill('SIGINT'), 1500)
    })
    expect(code).toBe(130)
    expect(err).toContain('Stopped. What is finished is kept; the same command goes on from there.')
    expect(performance.now() - begun).toBeLessThan(60_000)
    expect((await millrace(dir, ['data', 'import'])).out).toContain('nothing new')
  })
})

describe('init on files that are not simple', () => {
  const init = (dir: string, ...args: string[]) => millrace(dir, ['init', ...args, '--json'])

  test.each([
    ['MR_CLI_NO_FILE', ['nothing.csv']],
    ['MR_CLI_NO_FILE', ['.']],
    ['MR_DATA_EMPTY_FILE', ['empty.csv']],
    ['MR_DATA_NOT_PARQUET', ['false.parquet']],
    ['MR_DATA_FORMAT', ['picture.xyz']],
    ['MR_CLI_TARGET_UNKNOWN', ['named.csv', '--target', 'z']],
    ['MR_CLI_TARGET_VALUES', ['named.csv', '--target', 'kind', '--task', 'binary']],
    ['MR_CLI_TIME', ['named.csv', '--time', 'x']],
    ['MR_CLI_HEADER', ['named.csv', '--columns', 'a,b,c']],
    ['MR_CLI_COLUMNS', ['plain.csv', '--columns', 'a,b']],
    ['MR_CLI_VALUE', ['named.csv', '--task', 'poetry']],
  ])('%s for %j', async (error, args) => {
    const rows = Array.from(
      { length: 60 },
      (_, i) => `${i * 3},${['a', 'b', 'c'][i % 3]},${i % 2 ? 'yes' : 'no'}`,
    ).join('\n')
    const dir = folder('faulty', {
      'empty.csv': '',
      'false.parquet': 'nothing of the sort',
      'picture.xyz': 'x',
      'named.csv': `x,kind,y\n${rows}\n`,
      'plain.csv': `${rows.replaceAll('yes', '1').replaceAll('no', '0')}\n`,
    })
    const { err, code } = await init(dir, ...args)
    expect(JSON.parse(err)).toMatchObject({ code: error })
    expect(code).toBe(error === 'MR_CLI_VALUE' ? 2 : 1)
    expect(existsSync(join(dir, 'millrace.config.ts'))).toBe(false)
  })

  test('a file without a line of names gets one in a copy, and rows in time are split by time', async () => {
    const rows = Array.from(
      { length: 300 },
      (_, i) =>
        `2001-${String(1 + Math.floor(i / 28)).padStart(2, '0')}-${String(1 + (i % 28)).padStart(2, '0')};${i % 17};${(i * 31) % 7 < 2 ? 'late' : 'ok'}`,
    ).join('\n')
    const dir = folder('plain', { 'trains.csv': `${rows}\n` })
    const { out, code } = await init(dir, 'trains.csv', '--columns', 'day,platform,state')
    expect(code).toBe(0)
    const [{ guess }] = lines(out) as [{ guess: Record<string, unknown> }]
    expect(guess).toMatchObject({
      source: ['data/trains.csv'],
      time: { column: 'day' },
      target: { column: 'state', positive: 'late' },
      split: { by: 'time' },
    })
    expect(readFileSync(join(dir, 'data/trains.csv'), 'utf8').slice(0, 19)).toBe('day;platform;state\n')
    expect(readFileSync(join(dir, 'trains.csv'), 'utf8')).toBe(`${rows}\n`)
    expect((await millrace(dir, ['plan'])).out).toContain('train on 2001-01-01 to')
  })

  test('--dry-run shows the config and writes nothing', async () => {
    const dir = folder('dry', { 'passengers.csv': passengers(200) })
    const { out } = await millrace(dir, ['init', 'passengers.csv', '--dry-run'])
    expect(out).toContain('would write millrace.config.ts')
    expect(out).toContain('export default project(')
    expect(existsSync(join(dir, 'millrace.config.ts'))).toBe(false)
  })
})

describe('a text that names classes', () => {
  test('penguins go from a file to an answer that names the species, and to what is told of each', async () => {
    const file = fileURLToPath(
      new URL('../../node_modules/vega-datasets/data/penguins.json', import.meta.url),
    )
    const dir = folder('penguins')
    const init = await millrace(dir, ['init', file])
    expect(init.code).toBe(0)
    expect(init.out).toContain('one of 3 classes: Adelie, Gentoo and Chinstrap')
    expect(readFileSync(join(dir, 'millrace.config.ts'), 'utf8')).toContain("target: col('Species'),")
    const plan = await millrace(dir, ['plan'])
    expect(plan.out).toContain('multiclass, as the target is text')
    const once = await millrace(dir, ['up', '--once', '--json'])
    expect(lines(once.out).at(-1)).toEqual({ event: 'done', refused: [] })
    await millrace(dir, ['types'])
    const types = readFileSync(join(dir, 'millrace-env.d.ts'), 'utf8')
    expect(types).toContain('label: "Adelie" | "Chinstrap" | "Gentoo"')
    const status = await millrace(dir, ['status', 'Species'])
    expect(status.out).toMatch(/task +one of several classes \(3\)/)
    expect(status.out).toMatch(/Chinstrap +\d+ +\d/)
  })
})

describe('real data', () => {
  const sets: [name: string, file: string, args: string[], target: string][] = [
    [
      'adult',
      'adult/adult-train.csv.gz',
      [
        '--columns',
        'age,workclass,fnlwgt,education,education-num,marital-status,occupation,relationship,race,sex,capital-gain,capital-loss,hours-per-week,native-country,income',
      ],
      "col('income').eq('>50K')",
    ],
    ['bank', 'bank-marketing/bank-additional.csv.gz', [], "col('y')"],
    ['titanic', 'titanic/titanic.csv', [], "col('survived').eq(1)"],
    ['housing', 'california-housing/housing.csv.gz', [], "col('median_house_value')"],
    ['german', 'german-credit/german.csv', [], "col('column20').eq(2)"],
  ]
  if (!existsSync(shared))
    console.warn(`skipped: ${shared} is not there, so init and up are not tried on real data`)

  test.skipIf(!existsSync(shared)).each(sets)(
    'init and up bring %s into production within a minute',
    async (name, file, args, target) => {
      const dir = folder(`real-${name}`)
      const begun = performance.now()
      const init = await millrace(dir, ['init', join(shared, file), ...args])
      expect(init.code).toBe(0)
      expect(readFileSync(join(dir, 'millrace.config.ts'), 'utf8')).toContain(`target: ${target}`)
      const once = await millrace(dir, ['up', '--once', '--json'])
      expect(lines(once.out).at(-1)).toEqual({ event: 'done', refused: [] })
      expect(performance.now() - begun).toBeLessThan(60_000)
    },
  )
})

describe('help', () => {
  test('every command has help with examples, and help starts at once', async () => {
    const { out, code } = await millrace(base, ['--help'])
    expect(code).toBe(0)
    expect(out).toContain('Exit codes: 0 done')
    for (const args of [['up'], ['data', 'diff'], ['backtest']])
      expect((await millrace(base, [...args, '--help'])).out).toContain('Examples:')
    const times = []
    for (let i = 0; i < 5; i++) {
      const begun = performance.now()
      await millrace(base, ['--help'])
      times.push(performance.now() - begun)
    }
    // 120 ms on an idle machine; what is held here is that no station is loaded, which costs several times that.
    expect(Math.min(...times)).toBeLessThan(400)
  })

  test('bash completes commands, those of a group, and options', () => {
    const ask = (words: string) => {
      const script = `source <("${process.execPath}" "${bin}" completion bash); COMP_WORDS=(${words}); COMP_CWORD=$((\${#COMP_WORDS[@]}-1)); _millrace; echo "\${COMPREPLY[@]}"`
      return execFileSync('bash', ['-c', script], { encoding: 'utf8' }).trim().split(' ')
    }
    expect(ask('millrace ro')).toEqual(['rollback'])
    expect(ask('millrace data re').sort()).toEqual(['repair', 'report'])
    expect(ask('millrace up --po')).toEqual(['--port'])
  })
})
