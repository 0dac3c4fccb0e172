import { objectShape, oneOfShape, type Shape } from './shape.ts'

/** Lists that a portal fetches from the host. */
export const UI_LISTS = [
  'freezes',
  'people',
  'sessions',
  'agents',
  'tools',
  'policy',
  'outcomes',
  'installation',
  'keys',
] as const

/**
 * News from the host to portals that a list of theirs is another one now: they fetch it from the
 * host. It says nothing that would have to be believed.
 */
export interface UiChange {
  readonly v: 1
  readonly what: (typeof UI_LISTS)[number]
}

export const uiChangeShape: Shape<UiChange> = objectShape({
  v: oneOfShape(1),
  what: oneOfShape(...UI_LISTS),
})
