import { objectShape, oneOfShape, type Shape } from './shape.ts'

/**
 * News from the host to portals that a list of theirs is another one now: they fetch it from the
 * host. It says nothing that would have to be believed.
 */
export interface UiChange {
  readonly v: 1
  readonly what: 'freezes' | 'people' | 'sessions' | 'agents'
}

export const uiChangeShape: Shape<UiChange> = objectShape({
  v: oneOfShape(1),
  what: oneOfShape('freezes', 'people', 'sessions', 'agents'),
})
