/** Where focus goes when a card is chosen. */
export const CARD_TITLE_ID = 'card-title'
