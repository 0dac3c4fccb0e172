/** What tests of chats import: doubles of their providers (`@trustgw/testkit/chat-doubles`). */
export { SlackDouble, type SlackMessage } from './doubles/slack-double.ts'
export { TelegramDouble, type TelegramMessage } from './doubles/telegram-double.ts'
