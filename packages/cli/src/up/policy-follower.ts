import { readFile } from 'node:fs/promises'
import { findingText } from '@trustgw/core'
import { hashText } from '@trustgw/protocol'
import { atomicWriteFile, SECRET_FILE_MODE, type Settings, sha256 } from '@trustgw/runtime'
import { tenantOf } from '../install/install.ts'
import { layoutOf } from '../install/layout.ts'
import { holdsFiles, type KnownBundle, PolicyAdmin } from '../policy/policy-admin.ts'
import {
  isLenient,
  type PolicyFile,
  PolicyFilesFault,
  policyFindings,
  policyMark,
  readPolicyFiles,
} from '../policy/policy-files.ts'
import { operatorSealer } from '../policy/sealer.ts'

const LOOK_EVERY_MS = 1_000
const UNVERIFIED =
  'the bundles on the bus do not verify: see "trustgw policy show", seal anew with "trustgw policy apply"'

/** What became of the policy files when they were looked at. */
export type PolicyOutcome =
  | { readonly kind: 'in_force'; readonly epoch: number }
  | { readonly kind: 'sealed'; readonly epoch: number }
  /** They differ from what is in force, and only the operator's own command changes that. */
  | { readonly kind: 'differs'; readonly epoch: number }
  /** They do not load; `epoch` is what goes on being in force, if anything is. */
  | { readonly kind: 'refused'; readonly epoch: number | null; readonly lines: readonly string[] }

/** A first start without a policy that loads: nothing could be decided. */
export class PolicyStartFault extends Error {
  readonly code = 'policy_refused'
  constructor(lines: readonly string[]) {
    super(`the policy is refused:\n${lines.map((line) => `  ${line}`).join('\n')}`)
    this.name = 'PolicyStartFault'
  }
}

export interface PolicyFollowerOptions {
  readonly settings: Settings
  readonly told: (outcome: PolicyOutcome) => void
}

/**
 * Keeps the policy in force what the files say. The first bundle is sealed from them; later, in
 * development, every change that loads is; in production `trustgw policy apply` does it, so that who
 * can write a file cannot widen a policy. Files that do not load change nothing, and that is said.
 */
export class PolicyFollower {
  readonly #options: PolicyFollowerOptions
  #mark = ''
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> = Promise.resolve()

  constructor(options: PolicyFollowerOptions) {
    this.#options = options
  }

  /** Before the services start. `PolicyStartFault` when nothing is in force and the files are bad. */
  async begin(): Promise<PolicyOutcome> {
    this.#mark = await policyMark(this.#options.settings)
    const outcome = await this.#bringInForce()
    if (outcome.kind === 'refused' && outcome.epoch === null) {
      throw new PolicyStartFault(outcome.lines)
    }
    return outcome
  }

  follow(): void {
    this.#timer = setInterval(() => {
      this.#looking = this.#looking.then(() => this.#look())
    }, LOOK_EVERY_MS)
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#looking
  }

  async #look(): Promise<void> {
    const mark = await policyMark(this.#options.settings)
    if (mark === this.#mark) return
    try {
      this.#options.told(await this.#bringInForce())
      this.#mark = mark
    } catch {
      // The bus is away for a moment: the next look tries again.
    }
  }

  /** The files as they were when they were last in force. */
  async #remembered(): Promise<string> {
    const file = layoutOf(this.#options.settings).policyFilesMark
    return readFile(file, 'utf8').catch(() => '')
  }

  #remember(mark: string): Promise<void> {
    const file = layoutOf(this.#options.settings).policyFilesMark
    return atomicWriteFile(file, mark, { mode: SECRET_FILE_MODE })
  }

  async #follow(
    files: readonly PolicyFile[],
    newest: KnownBundle | undefined,
    admin: PolicyAdmin,
  ): Promise<PolicyOutcome> {
    const { settings } = this.#options
    const isDevelopment = settings.mode === 'development'
    const mark = hashText(sha256, JSON.stringify(files))
    const before = await this.#remembered()
    if (newest !== undefined) {
      const { epoch } = newest.bundle
      if (holdsFiles(newest.bundle, files)) {
        await this.#remember(mark)
        return { kind: 'in_force', epoch }
      }
      // What was put in force by a command or in the portal since stays, until the files change.
      if (mark === before || !isDevelopment) return { kind: 'differs', epoch }
    } else if (!isDevelopment && (before !== '' || !(await admin.isEmpty()))) {
      // Only a fresh installation is sealed unasked: bundles that do not verify are somebody's doing.
      return { kind: 'refused', epoch: null, lines: [UNVERIFIED] }
    }
    const sealed = await admin.publish(files, await operatorSealer(settings))
    await this.#remember(mark)
    return { kind: 'sealed', epoch: sealed.bundle.epoch }
  }

  async #bringInForce(): Promise<PolicyOutcome> {
    const { settings } = this.#options
    const read = await readGood(settings)
    const admin = await PolicyAdmin.open(settings, tenantOf(settings))
    try {
      const [newest] = await admin.history()
      if (!read.ok) {
        return { kind: 'refused', epoch: newest?.bundle.epoch ?? null, lines: read.lines }
      }
      return await this.#follow(read.files, newest, admin)
    } finally {
      await admin.close()
    }
  }
}

type Read =
  | { readonly ok: true; readonly files: readonly PolicyFile[] }
  | { readonly ok: false; readonly lines: readonly string[] }

async function readGood(settings: Settings): Promise<Read> {
  try {
    const files = await readPolicyFiles(settings)
    const findings = policyFindings(files, isLenient(settings))
    return findings.length === 0
      ? { ok: true, files }
      : { ok: false, lines: findings.map(findingText) }
  } catch (error) {
    if (error instanceof PolicyFilesFault) return { ok: false, lines: [error.message] }
    throw error
  }
}
