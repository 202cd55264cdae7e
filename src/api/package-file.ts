/** Files of this package, wherever it runs from: `src/api` in the repository, `dist/api` when it is installed. */
import { fileURLToPath } from 'node:url'

/** Path of a file or folder relative to the package's root. */
export function packageFile(name: string): string {
  return fileURLToPath(new URL(`../../${name}`, import.meta.url))
}
