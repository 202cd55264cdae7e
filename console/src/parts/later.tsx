/**
 * A component whose code comes when it is first shown. Until then its place is kept by `wait`.
 *
 * Unlike Suspense, which holds back what it reveals for 300 ms after a fallback was shown, the component appears as soon as its code is there;
 * `preload` fetches the code beside the data it will show.
 */
import { type ComponentType, type ReactNode, useEffect, useReducer } from 'react'

export type Later<P> = ComponentType<P> & { preload: () => void }

export function later<P extends object>(load: () => Promise<ComponentType<P>>, wait: ReactNode): Later<P> {
  let found: ComponentType<P> | null = null
  let failure: unknown = null
  let loading: Promise<void> | null = null
  const fetchCode = () => {
    loading ??= load().then(
      (component) => {
        found = component
      },
      (error: unknown) => {
        failure = error
        loading = null
      },
    )
    return loading
  }
  function Place(props: P) {
    const [, again] = useReducer((n: number) => n + 1, 0)
    useEffect(() => {
      if (found === null) void fetchCode().then(again)
    }, [])
    if (found === null && failure !== null) throw failure
    const Found = found
    return Found === null ? wait : <Found {...props} />
  }
  return Object.assign(Place, { preload: () => void fetchCode() })
}
