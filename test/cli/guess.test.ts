import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { configText } from '../../src/cli/guess/config-text.ts'
import { guessLeftOut } from '../../src/cli/guess/left-out.ts'
import { constantName, datasetName, modelName, plainName } from '../../src/cli/guess/names.ts'
import { guessProject } from '../../src/cli/guess/project-guess.ts'
import { guessTarget, type Row } from '../../src/cli/guess/target.ts'
import { guessSplit, guessTime } from '../../src/cli/guess/time.ts'
import type { InspectedColumn } from '../../src/data/index.ts'
import { quoteText } from '../../src/expr/source-text.ts'

const column = (name: string, facts: Partial<InspectedColumn> = {}): InspectedColumn => ({
  name,
  type: 'string',
  nulls: 0,
  distinct: 10,
  min: null,
  max: null,
  examples: [],
  missingCodes: [],
  padded: 0,
  ...facts,
})
const two = (name: string, examples: InspectedColumn['examples'], type: InspectedColumn['type'] = 'string') =>
  column(name, { type, distinct: 2, examples })
const quantity = (name: string) => column(name, { type: 'float', distinct: 500, min: 0, max: 9 })
const rowsOf = (name: string, values: unknown[]): Row[] => values.map((value) => ({ [name]: value }))
const codeOf = (act: () => unknown) => {
  try {
    act()
  } catch (error) {
    return (error as { code: string }).code
  }
  return 'nothing was thrown'
}

describe('the target', () => {
  test('a column that is called like a target wins over the last one', () => {
    const columns = [two('survived', [0, 1], 'int'), quantity('fare'), two('alone', [true, false], 'bool')]
    expect(guessTarget(columns, rowsOf('survived', [0, 0, 1]))).toMatchObject({
      column: 'survived',
      task: 'binary',
      positive: 1,
      share: 1 / 3,
    })
  })

  test('without a telling name the last column that can be predicted is taken', () => {
    const columns = [two('sex', ['m', 'f']), two('column14', ['<=50K', '>50K'])]
    const guess = guessTarget(columns, rowsOf('column14', ['<=50K', '<=50K', '>50K']))
    expect(guess).toMatchObject({ column: 'column14', positive: '>50K' })
    expect(guess.why).toContain('rarer')
  })

  test('a price is a quantity and makes a regression, though the last column has words', () => {
    const columns = [
      quantity('median_income'),
      quantity('median_house_value'),
      column('ocean', { distinct: 5 }),
    ]
    expect(guessTarget(columns, [])).toMatchObject({ column: 'median_house_value', task: 'regression' })
  })

  test('a column of true and false is its own yes, and can be asked the other way round', () => {
    const columns = [two('y', [false, true], 'bool')]
    const rows = rowsOf('y', [false, false, true])
    expect(guessTarget(columns, rows)).toEqual(expect.objectContaining({ column: 'y', share: 1 / 3 }))
    expect(guessTarget(columns, rows).positive).toBeUndefined()
    expect(guessTarget(columns, rows, { positive: 'no' })).toMatchObject({ positive: false, share: 2 / 3 })
  })

  test.each([
    ['yes', ['no', 'no', 'no', 'yes']],
    ['yes', ['yes', 'yes', 'yes', 'no']],
    ['churned', ['stayed', 'churned', 'churned', 'churned']],
    ['B', ['A', 'A', 'B']],
  ])('of the words %s is the yes in %j', (positive, values) => {
    const columns = [two('outcome', [...new Set(values)])]
    expect(guessTarget(columns, rowsOf('outcome', values)).positive).toBe(positive)
  })

  test('1 and 2 are numbers of classes: the rarer is the yes', () => {
    expect(guessTarget([two('column20', [1, 2], 'int')], rowsOf('column20', [1, 1, 2])).positive).toBe(2)
  })

  test.each([
    ['MR_CLI_TARGET_UNKNOWN', { target: 'nope' }],
    ['MR_CLI_TARGET_VALUES', { target: 'class', task: 'binary' as const }],
    ['MR_CLI_CLASSES', { target: 'name' }],
    ['MR_CLI_TARGET_VALUES', { target: 'same' }],
    ['MR_CLI_POSITIVE', { target: 'class', positive: 'Fourth' }],
    ['MR_CLI_TASK', { target: 'class', task: 'regression' as const }],
    ['MR_CLI_TASK', { target: 'at' }],
  ])('%s for %j', (code, wishes) => {
    const columns = [
      column('class', { distinct: 3, examples: ['Third', 'First', 'Second'] }),
      column('same', { distinct: 1, examples: ['x'] }),
      column('at', { type: 'time' }),
      column('name', { distinct: 1001, examples: ['x'] }),
    ]
    expect(codeOf(() => guessTarget(columns, rowsOf('class', ['Third', 'First', 'Second']), wishes))).toBe(
      code,
    )
  })

  test('one of several words can be named as the yes', () => {
    const columns = [column('class', { distinct: 3, examples: ['Third', 'First', 'Second'] })]
    const rows = rowsOf('class', ['Third', 'Third', 'First', 'Second'])
    expect(guessTarget(columns, rows, { target: 'class', positive: 'First' })).toMatchObject({
      task: 'binary',
      share: 0.25,
    })
  })

  test('a column of a few words is a target of classes, most frequent first', () => {
    const examples = ['Gentoo', 'Adelie', 'Chinstrap']
    const columns = [
      column('Species', { distinct: 3, examples }),
      column('Mass', { type: 'int', distinct: 90 }),
      two('Sex', ['MALE', 'FEMALE']),
    ]
    const rows = rowsOf('Species', ['Adelie', 'Adelie', 'Gentoo', 'Chinstrap'])
    expect(guessTarget(columns, rows)).toMatchObject({ column: 'Species', task: 'multiclass', share: 0.5 })
    expect(guessTarget(columns, rows).classes?.[0]).toBe('Adelie')
    const codes = [column('digit', { type: 'int', distinct: 10, examples: [1, 2, 3] as never })]
    expect(guessTarget(codes, [], { target: 'digit', task: 'multiclass' }).task).toBe('multiclass')
  })

  test('when nothing can be predicted that is said, with the columns', () => {
    expect(codeOf(() => guessTarget([column('name', { distinct: 900 })], []))).toBe('MR_CLI_TARGET_NONE')
  })
})

describe('columns that are left out', () => {
  const target = { column: 'y', task: 'binary' as const, positive: 1 }
  const rows: Row[] = Array.from({ length: 400 }, (_, i) => ({
    y: i % 3 === 0 ? 1 : 0,
    alive: i % 3 === 0 ? 'yes' : 'no',
    hint: i % 3 === 0 || i % 50 === 1 ? 'a' : 'b',
    id: i,
    day: i % 7,
  }))

  test('one that gives the target away, one that numbers the rows, one without news', () => {
    const columns = [
      two('alive', ['yes', 'no']),
      two('hint', ['a', 'b']),
      column('id', { type: 'int', distinct: 400, min: 0, max: 399 }),
      column('same', { distinct: 1, examples: ['x'] }),
      column('empty', { distinct: 0, nulls: 400 }),
      column('name', { distinct: 399 }),
      column('day', { type: 'int', distinct: 7, min: 0, max: 6 }),
    ]
    const out = guessLeftOut(columns, rows, 400, target)
    expect(out.map((o) => o.column)).toEqual(['alive', 'id', 'same', 'empty', 'name'])
    expect(out[0].why).toContain('gives the answer away')
  })

  test('whole numbers with gaps are no row numbers, unless they are called an id', () => {
    const wide = (name: string) => column(name, { type: 'int', distinct: 400, min: 0, max: 90_000 })
    expect(
      guessLeftOut([wide('salary'), wide('customer_id')], rows, 400, target).map((o) => o.column),
    ).toEqual(['customer_id'])
  })

  test('the target in other units is left out of a regression', () => {
    const priced = rows.map((row, i) => ({ ...row, price: i * 3, cents: i * 300, size: (i * 7919) % 400 }))
    const out = guessLeftOut([quantity('cents'), quantity('size')], priced, 400, {
      column: 'price',
      task: 'regression',
    })
    expect(out.map((o) => o.column)).toEqual(['cents'])
  })

  test('few rows give no reason to leave anything out', () => {
    expect(guessLeftOut([two('alive', ['yes', 'no'])], rows.slice(0, 20), 20, target)).toEqual([])
  })
})

describe('time', () => {
  const at = (name: string, min = '2001-01-01', max = '2001-04-11') =>
    column(name, { type: 'date', distinct: 90, min, max })

  test('the column that says when is taken, births are not', () => {
    const columns = [at('date_of_birth'), at('seen'), at('created_at')]
    expect(guessTime(columns, ['date_of_birth', 'seen', 'created_at'])?.column).toBe('created_at')
    expect(guessTime([columns[0]], ['date_of_birth'])).toBeUndefined()
  })

  test('the newest 15 % of the span judge, in whole days', () => {
    const time = guessTime([at('date')], ['date'])
    expect(guessSplit(time)).toEqual({ by: 'time', validate: '15d', test: '15d' })
    expect(guessSplit(undefined)).toEqual({ by: 'random', validate: 0.2, test: 0.2 })
  })

  test('a wish is kept, refused with a reason, or waived', () => {
    expect(guessTime([at('date')], ['date'], 'none')).toBeUndefined()
    expect(codeOf(() => guessTime([quantity('fare'), at('date')], ['date'], 'fare'))).toBe('MR_CLI_TIME')
  })
})

describe('names', () => {
  test.each([
    ['data/adult-train.csv.gz', 'adult'],
    ['bank-additional.csv.gz', 'bank'],
    ['C:\\rows\\2020 sales.parquet', 'sales'],
    ['données.csv', 'donnees'],
    ['2020.csv', 'data'],
    ['train.csv', 'train'],
  ])('%s is called %s', (path, name) => expect(datasetName(path)).toBe(name))

  test('a target without a telling name lends the dataset its own', () => {
    expect(modelName('y', 'bank')).toBe('bank-model')
    expect(modelName('column14', 'adult')).toBe('adult-model')
    expect(modelName('income', 'adult')).toBe('income')
  })

  test('constants are words of the language that nothing else holds', () => {
    expect(constantName('house-prices', 'Data')).toBe('housePrices')
    expect(constantName('model', 'Data')).toBe('modelData')
    expect(constantName('default', 'Model')).toBe('defaultModel')
    expect(constantName('late', 'Model', new Set(['late']))).toBe('lateModel')
  })

  test('any text becomes a name that refs, files and URLs can hold', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(plainName(text, 'data')).toMatch(/^[A-Za-z][A-Za-z0-9_-]{0,62}$/)
        expect(constantName(plainName(text, 'data'), 'Data')).toMatch(/^[A-Za-z_$][\w$]*$/)
      }),
    )
  })
})

describe('the config', () => {
  const look = {
    format: 'csv' as const,
    rows: 400,
    columns: [quantity('fare'), two('alive', ['no', 'yes']), two('survived', [0, 1], 'int')],
    preview: Array.from({ length: 100 }, (_, i) => ({
      fare: i,
      alive: i % 3 ? 'no' : 'yes',
      survived: i % 3 ? 0 : 1,
    })),
    read: { delimiter: ';', missing: ['?'] },
    timeColumns: [],
  }

  test('says everything that was guessed, with its reason, in about twenty lines', () => {
    const text = configText(guessProject(look, ['titanic.csv'], {}))
    expect(text).toContain("const titanic = dataset('titanic', {")
    expect(text).toContain("read: { delimiter: ';', missing: ['?'] }")
    expect(text).toContain("'alive', // it gives the answer away: alone it decides 100 % of the rows")
    expect(text).toContain("target: col('survived').eq(1), // yes in 34 % of the rows")
    expect(text).toContain('// small trees: 400 rows are few')
    expect(text.split('\n').length).toBeLessThan(30)
  })

  test('any text stands in it as a literal that means itself', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const literal = quoteText(text)
        expect(literal).not.toMatch(/[\n\r\u2028\u2029]/)
        expect(new Function(`return ${literal}`)()).toBe(text)
      }),
    )
  })
})
