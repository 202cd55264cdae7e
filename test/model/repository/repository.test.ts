import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { findModels } from '../../../src/model/repository/find.ts'
import { parseTextMessage } from '../../../src/model/repository/pbtxt.ts'
import { logistic } from '../../engine/infer/onnx-bytes.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'millrace-repository-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

function put(path: string, content: string | Uint8Array = logistic([1, 2, 3], 0)): string {
  const file = join(root, path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, content)
  return file
}

describe('protobuf as text', () => {
  test('fields, messages with and without colon, lists, comments, texts side by side, and numbers of all kinds', () => {
    const text = `# a comment
      name: "a" 'b'; max_batch_size: 0x10
      input [ { name: "x", dims: [ -1, 4 ] }, { name: "y" dims: 2 dims: 3 } ]
      policy: < latest { num_versions: 2 } >
      rate: 1.5e-3f on: true kind: KIND_CPU empty { }`
    expect(JSON.parse(JSON.stringify(parseTextMessage(text, 'f')))).toEqual({
      name: ['ab'],
      max_batch_size: [16],
      input: [
        { name: ['x'], dims: [-1, 4] },
        { name: ['y'], dims: [2, 3] },
      ],
      policy: [{ latest: [{ num_versions: [2] }] }],
      rate: [0.0015],
      on: [true],
      kind: ['KIND_CPU'],
      empty: [{}],
    })
  })

  test('escapes are read', () => {
    expect(parseTextMessage(String.raw`a: "\"\n\x41\101"`, 'f').a).toEqual(['"\nAA'])
  })

  test.each([
    ['a: {', 'line 1'],
    ['a: [1 2]', 'line 1'],
    ['a 1', 'line 1'],
    ['a: 1\n}', 'line 2'],
    [`${'a { '.repeat(40)}`, 'line 1'],
    ['a: "open', 'line 1'],
  ])('%s is refused with its line', (text, where) => {
    expect(() => parseTextMessage(text, 'config.pbtxt')).toThrow(
      expect.objectContaining({ code: 'MR_REPOSITORY_CONFIG', message: expect.stringContaining(where) }),
    )
  })

  test('a field named as what all objects have is a field', () => {
    expect(parseTextMessage('__proto__ { x: 1 } constructor: 2', 'f').constructor).toEqual([2])
  })
})

describe('what is found', () => {
  test('a file is a model by its name', () => {
    const path = put('late.onnx')
    expect(findModels(path).models).toEqual([
      { name: 'late', from: 'file', versions: [{ version: '1', path }], notes: [] },
    ])
  })

  test('a folder of everything: each by its own layout, hidden and other files passed over, in the order of names', () => {
    put('z.onnx')
    put('readme.txt', 'hello')
    put('.hidden.onnx')
    put('t/1/model.onnx')
    put('m/MLmodel', 'flavors:\n  onnx:\n    data: model.onnx\n')
    put('m/model.onnx')
    put(
      's/model-settings.json',
      JSON.stringify({ name: 'own', implementation: 'x', parameters: { uri: 'model.onnx', version: 'v2' } }),
    )
    put('s/model.onnx')
    const { models, refused } = findModels(root)
    expect(models.map(({ name, from, versions }) => [name, from, versions[0].version])).toEqual([
      ['m', 'mlflow', '1'],
      ['own', 'mlserver', 'v2'],
      ['t', 'triton', '1'],
      ['z', 'file', '1'],
    ])
    expect(refused).toEqual([])
  })

  test('versions of a Triton model are those of its policy, by number and not by text', () => {
    for (const version of ['2', '10', '9']) put(`t/${version}/model.onnx`)
    put('t/notes/model.onnx')
    const versions = () => findModels(root).models[0].versions.map(({ version }) => version)
    expect(versions()).toEqual(['10'])
    put('t/config.pbtxt', 'version_policy: { all { } }')
    expect(versions()).toEqual(['2', '9', '10'])
    put('t/config.pbtxt', 'version_policy { specific { versions: [2, 9] } }')
    expect(versions()).toEqual(['2', '9'])
    put('t/config.pbtxt', 'version_policy { latest { num_versions: 2 } }')
    expect(versions()).toEqual(['9', '10'])
  })

  test('a configuration says the name, the batch and the tensors, and what has no meaning here', () => {
    put('t/1/model.onnx')
    put(
      't/config.pbtxt',
      `name: "named" platform: "onnxruntime_onnx" max_batch_size: 8
       input [ { name: "x" data_type: TYPE_FP32 dims: [ 3 ] } ] output [ { name: "y" data_type: TYPE_STRING dims: [ 1 ] } ]
       dynamic_batching { preferred_batch_size: [ 4 ] max_queue_delay_microseconds: 100 } instance_group [ { count: 2 } ]`,
    )
    expect(findModels(root).models[0]).toMatchObject({
      name: 'named',
      batchRowsMax: 8,
      batching: { preferred: [4], waitUs: 100 },
      inputs: [{ name: 'x', datatype: 'FP32', dims: [3] }],
      outputs: [{ name: 'y', datatype: 'BYTES', dims: [1] }],
      notes: [expect.stringContaining('instance_group')],
    })
  })

  test.each([
    ['t/config.pbtxt', 'platform: "pytorch_libtorch"', 'pytorch_libtorch'],
    ['t/config.pbtxt', 'input [', 'line 1'],
    ['t/config.pbtxt', 'default_model_filename: "../../etc/passwd"', 'without folders'],
    ['t/config.pbtxt', 'input { name: "x" data_type: 7 }', 'TYPE_'],
    ['m/MLmodel', 'flavors:\n  sklearn:\n    pickled_model: model.pkl\n', 'sklearn'],
    ['m/MLmodel', 'flavors:\n  onnx:\n    data: ../../secret.onnx\n', 'inside the folder'],
    ['m/MLmodel', ': : :\n - [', 'YAML'],
    ['m/MLmodel', 'name: x', 'flavors'],
    ['s/model-settings.json', '{', 'JSON'],
    ['s/model-settings.json', '{"parameters":{"uri":"/etc/passwd"}}', 'inside the folder'],
    [
      's/model-settings.json',
      '{"implementation":"mlserver_sklearn.SKLearnModel","parameters":{"uri":"model.joblib"}}',
      'SKLearnModel',
    ],
  ])('%s with %s is left out, and says why', (path, content, why) => {
    put('ok.onnx')
    put('t/1/model.onnx')
    put(path, content)
    const { models, refused } = findModels(root)
    expect(models.map(({ name }) => name)).toContain('ok')
    expect(refused[0].why).toContain(why)
    expect(refused[0].fix.length).toBeGreaterThan(10)
  })

  test('a bomb of YAML is refused, not unfolded', () => {
    put('ok.onnx')
    const lines = ['a: &a [x,x,x,x,x,x,x,x,x]']
    for (const [one, next] of ['ab', 'bc', 'cd', 'de', 'ef', 'fg', 'gh'])
      lines.push(`${next}: &${next} [${Array(9).fill(`*${one}`)}]`)
    put('m/MLmodel', `${lines.join('\n')}\nflavors:\n  onnx:\n    data: *h\n`)
    expect(findModels(root).refused).toHaveLength(1)
  })

  test('errors say what to do: nothing there, no model, two of one name', () => {
    expect(() => findModels(join(root, 'none'))).toThrow(
      expect.objectContaining({ code: 'MR_REPOSITORY_PATH' }),
    )
    expect(() => findModels(root)).toThrow(expect.objectContaining({ code: 'MR_REPOSITORY_EMPTY' }))
    put('a.onnx')
    put('a/1/model.onnx')
    expect(() => findModels(root)).toThrow(expect.objectContaining({ code: 'MR_REPOSITORY_NAME' }))
  })

  test('a name that cannot stand in a path, and a file that is no model, are said', () => {
    put('a b?.onnx')
    const [refused] = findModels(root).refused
    expect(refused.why).toContain('cannot stand in a path')
    const path = put('x.onnx', 'not a model')
    expect(findModels(path).refused[0].fix).toContain('torch.onnx.export')
  })

  test('a link that leads nowhere is passed over', () => {
    put('ok.onnx')
    symlinkSync(join(root, 'gone'), join(root, 'link'))
    expect(findModels(root).models).toHaveLength(1)
  })
})

describe('what lies beside models', () => {
  test('labels, settings and links to nothing are no models, boosters in JSON and UBJSON are', () => {
    put('a.onnx')
    put('labels.json', '{"0": "cat", "1": "dog"}')
    put('package.json', '{\n  "name": "x"\n}')
    put('b.json', '{"learner":{"attributes":{}},"version":[3,0,0]}')
    put('c.json', '{\n  "learner": {}}')
    put('d.ubj', Buffer.from('{L\0\0\0\0\0\0\0\x07learner{'))
    put('e/readme.md', '')
    symlinkSync(join(root, 'nowhere'), join(root, 'e', '1'))
    symlinkSync(join(root, 'nowhere'), join(root, 'f.onnx'))
    const { models, refused } = findModels(root)
    expect(models.map(({ name }) => name)).toEqual(['a', 'b', 'c', 'd'])
    expect(refused).toEqual([])
  })
})
