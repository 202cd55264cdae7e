/** Trees of an ensemble, each as a text by which versions are compared. */
import type { ModelPiece } from '../form.ts'
import type { TreeEnsemble } from '../trees.ts'

/** Cover is left out: it says which rows a tree saw, not what it does. Cost: O(nodes). */
export function treePieces(model: TreeEnsemble, keys: readonly string[]): ModelPiece[] {
  const { roots, feature, outputOf } = model
  return Array.from(roots, (root, t) => {
    const end = roots[t + 1] ?? feature.length
    const texts = [`${model.compare} ${outputOf[t]}`]
    const features: number[] = []
    for (let node = root; node < end; node++) {
      const isLeaf = model.left[node] < 0
      if (!isLeaf) features.push(feature[node])
      texts.push(isLeaf ? `=${model.value[node]}` : splitText(model, node, root, keys))
    }
    return { text: texts.join('\n'), nodes: end - root, features }
  })
}

function splitText(model: TreeEnsemble, node: number, root: number, keys: readonly string[]): string {
  const set = model.categorySet[node]
  const test = set < 0 ? `${model.threshold[node]}` : `in ${model.categorySets[set].join(',')}`
  const ways = `${model.left[node] - root},${model.right[node] - root},${model.missingLeft[node]}`
  return `${keys[model.feature[node]]} ${test} ${ways}`
}
