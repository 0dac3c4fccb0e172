/** Where focus goes when a card is chosen. */
export const CARD_TITLE_ID = 'card-title'

/** Moves the reader to the card after an explicit choice. */
export function focusCard(): void {
  requestAnimationFrame(() => document.getElementById(CARD_TITLE_ID)?.focus())
}
