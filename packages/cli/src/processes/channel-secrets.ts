import type { ChannelSettings } from '@trustgw/host'
import { readSecretFile, type Settings } from '@trustgw/runtime'

const TOKEN = /^[\x21-\x7e]{16,512}$/
const WEBHOOK_SECRET = /^[A-Za-z0-9_-]{32,256}$/

/** A secret of a chat that is not what its setting says; the file is named, never what it holds. */
export class ChannelSecretFault extends Error {
  readonly code = 'channel_secret_refused'
  constructor(key: string) {
    super(`the file that ${key} names does not hold one secret of the form that is asked for`)
    this.name = 'ChannelSecretFault'
  }
}

/** The chats that the settings name, with what their files hold. Faults: `FileFault`, `ChannelSecretFault`. */
export async function channelsOf({ telegram, slack }: Settings): Promise<ChannelSettings> {
  return {
    ...(telegram.token_file !== '' && {
      telegram: {
        token: await secretOf('telegram.token_file', telegram.token_file, TOKEN),
        apiUrl: telegram.api_url,
        webhookSecret:
          telegram.webhook_secret_file === ''
            ? null
            : await secretOf(
                'telegram.webhook_secret_file',
                telegram.webhook_secret_file,
                WEBHOOK_SECRET,
              ),
      },
    }),
    ...(slack.token_file !== '' && {
      slack: {
        token: await secretOf('slack.token_file', slack.token_file, TOKEN),
        signingSecret: await secretOf(
          'slack.signing_secret_file',
          slack.signing_secret_file,
          TOKEN,
        ),
        apiUrl: slack.api_url,
      },
    }),
  }
}

async function secretOf(key: string, file: string, form: RegExp): Promise<string> {
  const text = new TextDecoder().decode(await readSecretFile(file)).trim()
  if (!form.test(text)) throw new ChannelSecretFault(key)
  return text
}
