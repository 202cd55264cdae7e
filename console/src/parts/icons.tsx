/** The console's signs: 16 px, one stroke, drawn in the ink of the text beside them. They never stand without a word. */
import type { ReactNode } from 'react'

const PATHS = {
  fleet: 'M2.500 4.500h11M2.500 8h11M2.500 11.500h7',
  data: 'M8 2.200c3 0 5.300.8 5.300 1.900S11 6 8 6 2.700 5.200 2.700 4.100 5 2.200 8 2.200ZM2.700 4.100v7.800c0 1.100 2.300 1.900 5.300 1.900s5.300-.8 5.300-1.900V4.100M2.700 8c0 1.100 2.300 1.900 5.300 1.900s5.300-.8 5.300-1.900',
  alerts:
    'M8 2.200a4 4 0 0 0-4 4c0 3.600-1.300 4.800-1.300 4.800h10.600S12 9.800 12 6.200a4 4 0 0 0-4-4ZM6.600 13.300a1.600 1.600 0 0 0 2.800 0',
  runs: 'M2.500 3.500h5M5 8h6M8.500 12.500h5',
  journal:
    'M4 2.500h8.500v11H4a1.500 1.500 0 0 1-1.500-1.500V4A1.500 1.500 0 0 1 4 2.500ZM5.500 6h4.500M5.500 9h4.500',
  settings: 'M2.500 4.800h6M11.500 4.800h2M2.500 11.200h2M7.500 11.200h6M10 3.300v3M6 9.700v3',
  search: 'M7 2.700a4.300 4.300 0 1 1 0 8.600 4.300 4.300 0 0 1 0-8.600ZM10.200 10.200l3.300 3.300',
  more: 'M3.500 8h.01M8 8h.01M12.500 8h.01',
  check: 'M3 8.400l3.200 3.200L13 4.800',
  cross: 'M4 4l8 8M12 4l-8 8',
  ring: 'M8 2.500a5.500 5.500 0 1 1 0 11 5.500 5.500 0 0 1 0-11Z',
  warn: 'M8 2.500l6 11H2l6-11ZM8 6.500v3.200M8 11.700h.01',
  act: 'M8 1.800l6.200 6.200L8 14.200 1.800 8 8 1.800ZM8 5v3.600M8 10.900h.01',
  dot: 'M8 6a2 2 0 1 1 0 4 2 2 0 0 1 0-4Z',
  pause: 'M5.500 3.500v9M10.500 3.500v9',
  back: 'M6.500 3.500L2.500 7.500l4 4M2.500 7.500h7a4 4 0 0 1 4 4v1',
  forward: 'M6 3.500L10.500 8 6 12.500',
  down: 'M3.500 6L8 10.500 12.500 6',
  up: 'M3.500 10L8 5.500l4.500 4.500',
  copy: 'M5.500 5.500h7v8h-7zM3.500 10.500v-8h7',
  table: 'M2.500 3h11v10h-11zM2.500 6.500h11M2.500 9.800h11M6.500 6.500V13',
  chart: 'M2.500 13.500h11M3.500 10.500l3-3.500 2.500 2 3.500-5',
  play: 'M5 3.200l7.500 4.800L5 12.800z',
  sun: 'M8 5.300a2.700 2.700 0 1 1 0 5.400 2.700 2.700 0 0 1 0-5.400ZM8 1.700v1.400M8 12.900v1.400M1.700 8h1.400M12.900 8h1.400M3.500 3.500l1 1M11.500 11.500l1 1M12.500 3.500l-1 1M4.500 11.500l-1 1',
  moon: 'M13 9.700A5.600 5.600 0 0 1 6.300 3a5.300 5.300 0 1 0 6.700 6.700Z',
  system: 'M2.500 3h11v7.500h-11zM6 13.300h4',
  keyboard: 'M1.800 4h12.400v8H1.800zM4.500 6.800h.01M7 6.800h.01M9.300 6.800h.01M11.600 6.800h.01M5 9.500h6',
  offline:
    'M2 2l12 12M4.700 8.600a4.800 4.800 0 0 1 2-1.100M9.900 7.700c.5.200 1 .5 1.400.9M6.600 10.700a2 2 0 0 1 2.800 0M8 13h.01M2.300 6.300a8 8 0 0 1 2-1.300M7.400 4.300a8 8 0 0 1 6.300 2',
  external: 'M6.500 3.500h-3v9h9v-3M9 3h4v4M13 3L7.500 8.500',
  live: 'M8 2.500a5.500 5.500 0 1 1 0 11 5.500 5.500 0 0 1 0-11ZM8 6.400a1.600 1.600 0 1 1 0 3.200 1.600 1.600 0 0 1 0-3.200Z',
  half: 'M8 2.500a5.500 5.500 0 1 1 0 11 5.500 5.500 0 0 1 0-11ZM8 2.500v11',
} as const

export type IconName = keyof typeof PATHS

export function Icon({
  name,
  size = 16,
  dashed,
}: {
  name: IconName
  size?: number
  dashed?: boolean
}): ReactNode {
  return (
    <svg
      className="icon"
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth={name === 'more' || name === 'keyboard' ? 2 : 1.5}
      strokeDasharray={dashed ? '2.200 2.100' : undefined}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      <path d={PATHS[name]} />
    </svg>
  )
}

export function Mark({ size = 24 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="#4f46e5" />
      <path
        d="M5 12c3.700-3.400 7.300-3.400 11 0s7.300 3.400 11 0M5 20c3.700-3.400 7.300-3.400 11 0s7.300 3.400 11 0"
        fill="none"
        stroke="#fff"
        strokeWidth="2.600"
        strokeLinecap="round"
      />
    </svg>
  )
}
