/** Links inside the console, and filters that live in the address. */
import { useNavigate, useRouter, useSearch } from '@tanstack/react-router'
import { type AnchorHTMLAttributes, type MouseEvent, useCallback } from 'react'

interface GoProps extends AnchorHTMLAttributes<HTMLAnchorElement> {
  href: string
}

/** A plain link that changes the screen without loading the page again; modified clicks do what the browser does. */
export function Go({ href, onClick, ...rest }: GoProps) {
  const router = useRouter()
  const follow = (event: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(event)
    const own = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey
    if (event.defaultPrevented || !own) return
    event.preventDefault()
    router.history.push(href)
  }
  return <a href={href} onClick={follow} {...rest} />
}

/** One filter of the address. Setting it replaces the address, so that Back leaves the screen; empty removes it. */
export function useParam(name: string, fallback = ''): [string, (value: string) => void] {
  const search = useSearch({ strict: false }) as Record<string, string | undefined>
  const navigate = useNavigate()
  const set = useCallback(
    (value: string) => {
      const next = (before: Record<string, string | undefined>) => ({
        ...before,
        [name]: value === fallback || value === '' ? undefined : value,
      })
      void navigate({ to: '.', search: next as never, replace: true, resetScroll: false })
    },
    [navigate, name, fallback],
  )
  return [search[name] ?? fallback, set]
}
