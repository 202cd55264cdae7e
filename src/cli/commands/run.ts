/** `millrace run`: import, train, gate and release once. */
import { modelDef } from '../../loop/runtime.ts'
import type { Answer, Cli } from '../cli.ts'
import { EXIT } from '../exit.ts'
import type { Options } from '../handler.ts'
import { textOption } from '../options.ts'
import { importStep, refusedLine, releaseStep, trainStep } from '../steps.ts'

export async function run(cli: Cli, [name]: readonly unknown[], options: Options): Promise<Answer> {
  if (options.dryRun === true)
    return await (await import('./plan.ts')).plan(cli, [name as string | undefined], {})
  const rt = await cli.open()
  const models = name === undefined ? rt.project.models : [modelDef(rt, name as string)]
  const reason = textOption(options, 'reason') ?? 'asked for on the command line'
  cli.meter.expect(new Set(models.map((m) => m.from)).size + models.length)
  const known = new Set<string>()
  let exit: number = EXIT.done
  const done: object[] = []
  for (const model of models) {
    if (!known.has(model.from)) await importStep(cli, rt, { dataset: model.from, message: reason })
    known.add(model.from)
    const { passed, bundle } = await trainStep(cli, rt, { model: model.name, reason })
    if (passed) {
      const { release, effects } = await releaseStep(cli, rt, model.name, textOption(options, 'reason'))
      done.push({ model: model.name, version: bundle.version, passed, state: release.state, effects })
    } else {
      exit = EXIT.refused
      cli.line(refusedLine(cli, model.name, bundle.version))
      done.push({ model: model.name, version: bundle.version, passed, state: null, effects: [] })
    }
  }
  return { value: { event: 'done', models: done }, exit }
}
