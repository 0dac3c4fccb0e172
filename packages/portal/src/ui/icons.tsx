import type { ReactElement, ReactNode } from 'react'

/** The mark: an arch with a key standing in it. */
export function Mark({ size = 28 }: { readonly size?: number }): ReactElement {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" fill="none" aria-hidden="true">
      <rect width="32" height="32" rx="7" fill="var(--brand)" />
      <g stroke="var(--on-brand)" strokeWidth="2.6" strokeLinecap="round">
        <path d="M8 26V14.5a8 8 0 0 1 16 0V26" />
        <path d="M16 26v-8" />
      </g>
      <circle cx="16" cy="14.4" r="2.5" fill="var(--on-brand)" />
    </svg>
  )
}

const PATHS = {
  approvals: <path d="M4 13v-2.5a6 6 0 0 1 12 0V13M10 13v-3M2.5 16.5h15" />,
  activity: <path d="M2.5 10h3l2.5-6 4 12 2.5-6h3" />,
  installation: <path d="M3 4h14v5H3zM3 11h14v5H3zM6 6.5h.01M6 13.5h.01" />,
  policy: (
    <path d="M5 2.500h7l3.500 3.500v11.500H5zM11.500 2.500V6.500h4M7.800 10h5M7.800 13.500h3" />
  ),
  plus: <path d="M10 4v12M4 10h12" />,
  undo: <path d="M4 8h8a4.500 4.500 0 0 1 0 9H8M7.500 4.500 4 8l3.500 3.500" />,
  person: <path d="M10 3a3.500 3.500 0 1 1 0 7 3.500 3.500 0 0 1 0-7M3 17.500a7 7 0 0 1 14 0" />,
  key: <path d="M12.5 11a4 4 0 1 0-3.3-1.7L3 15.5V18h2.5v-2H7.500v-2h2l1.500-1.500" />,
  check: <path d="m4 10.500 4 4 8-9" />,
  cross: <path d="m5 5 10 10M15 5 5 15" />,
  clock: <path d="M10 5.500V10l3 2M10 2.500a7.500 7.500 0 1 1 0 15 7.500 7.500 0 0 1 0-15" />,
  arrow: <path d="M3 10h13M11 5l5 5-5 5" />,
  back: <path d="M17 10H4M9 5l-5 5 5 5" />,
  freeze: (
    <path d="M10 2.500v15M3.500 6.250l13 7.500M16.500 6.250l-13 7.500M7.500 3.800l2.500 2 2.500-2M7.500 16.200l2.500-2 2.500 2" />
  ),
  stop: <path d="M6.500 2.500h7l4 4v7l-4 4h-7l-4-4v-7zM6.500 10h7" />,
  warning: <path d="M10 3 2 17h16zM10 8.500v4M10 14.800v.01" />,
  question: (
    <path d="M7.500 7.500a2.500 2.500 0 1 1 3.500 2.300c-.7.300-1 .8-1 1.700v.5M10 15v.01M10 2.500a7.500 7.500 0 1 1 0 15 7.500 7.500 0 0 1 0-15" />
  ),
  sun: (
    <path d="M10 6.500a3.500 3.500 0 1 1 0 7 3.500 3.500 0 0 1 0-7M10 1.800v1.700M10 16.500v1.700M1.800 10h1.700M16.500 10h1.700M4.200 4.200l1.200 1.200M14.600 14.600l1.200 1.200M4.200 15.800l1.200-1.200M14.600 5.400l1.200-1.200" />
  ),
  moon: <path d="M16.500 12A7 7 0 0 1 8 3.500a7 7 0 1 0 8.500 8.500" />,
  system: <path d="M2.500 4h15v10h-15zM7 17h6" />,
  exit: <path d="M8 3H3.500v14H8M7.500 10H17M13.500 6l4 4-4 4" />,
} satisfies Readonly<Record<string, ReactNode>>

export type IconName = keyof typeof PATHS

export function Icon(props: {
  readonly name: IconName
  readonly size?: number
  readonly className?: string
}): ReactElement {
  const { name, size = 18, className = '' } = props
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 20 20"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.7"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      className={`shrink-0 ${className}`}
    >
      {PATHS[name]}
    </svg>
  )
}
