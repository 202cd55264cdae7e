import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type InLine, WaitingLine } from '../../../src/serve/models/waiting-line.ts'

interface Member extends InLine<Member> {
  name: number
}

test('a line is in the order of a list to which the same is done', () => {
  const act = fc.oneof(
    fc.constant({ do: 'add' as const }),
    fc.record({ do: fc.constant('remove' as const), at: fc.nat(30) }),
    fc.record({ do: fc.constant('back' as const), n: fc.nat(3) }),
    fc.record({ do: fc.constant('every' as const), step: fc.integer({ min: 1, max: 3 }) }),
  )
  fc.assert(
    fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
      const line = new WaitingLine<Member>()
      let list: Member[] = []
      let names = 0
      const newOne = (): Member => ({ name: names++, isInLine: false })
      for (const one of acts) {
        if (one.do === 'add') {
          const member = newOne()
          line.add(member)
          list.push(member)
        } else if (one.do === 'remove') {
          const [member] = list.splice(one.at, 1)
          if (!member) continue
          expect([line.remove(member), line.remove(member)]).toEqual([true, false])
        } else if (one.do === 'back') {
          const all = Array.from({ length: one.n }, newOne)
          line.addFirst(all)
          list.unshift(...all)
        } else {
          for (const member of line) if (member.name % one.step === 0) line.remove(member)
          list = list.filter(({ name }) => name % one.step !== 0)
        }
        expect([...line].map(({ name }) => name)).toEqual(list.map(({ name }) => name))
        expect([line.first?.name, line.length]).toEqual([list[0]?.name, list.length])
      }
    }),
  )
})
