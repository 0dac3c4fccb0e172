import { rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import {
  base64urlEncode,
  type KeyEntry,
  type ListedRole,
  sealedKeySetJson,
  utf8Encode,
  type VerifiedKeySet,
} from '@trustgw/protocol'
import {
  addKeyToFolder,
  createSigningKeyFile,
  keyFileIn,
  keyIdOf,
  loadKeyFolder,
  loadSigningKey,
  makePrivateDir,
  type Passphrase,
  type PublicKey,
  pinRoots,
  readKeySetFile,
  readRoots,
  type SigningKey,
  sealKeyFile,
  sealNext,
  writeKeySet,
} from '@trustgw/runtime'
import { exists } from './exists.ts'
import type { GatewayFiles, Layout } from './layout.ts'

interface KeyFile {
  readonly role: ListedRole
  readonly file: string
  readonly component: string
}

/** The signing keys that stay where they are; grant keys come and go in a folder. */
export function keyFiles(layout: Layout, profile: string): readonly KeyFile[] {
  return [
    ...layout.gateways.map(
      ({ auditKey }) => ({ role: 'audit', file: auditKey, component: 'gateway' }) as const,
    ),
    { role: 'host', file: layout.host.hostKey, component: 'host' },
    { role: 'session', file: layout.host.sessionKey, component: 'host' },
    { role: 'audit', file: layout.host.auditKey, component: 'host' },
    ...layout.executors.flatMap(
      ({ resultKey, auditKey }) =>
        [
          { role: 'result', file: resultKey, component: `exec-${profile}` },
          { role: 'audit', file: auditKey, component: `exec-${profile}` },
        ] as const,
    ),
    { role: 'log', file: layout.log.logKey, component: 'log' },
  ]
}

/** The folders of those who pin the operator's root, the operator's own first. */
export function trustFolders(layout: Layout): readonly string[] {
  const services = [...layout.gateways, layout.host, ...layout.executors, layout.log]
  return [layout.operatorTrust, ...services.map(({ trust }) => trust)]
}

/**
 * Makes the signing keys that are missing, pins the operator's root in every folder that pins none, and
 * gives each the newest key set that lies here, with the keys of this server in it.
 */
export async function makeKeys(
  layout: Layout,
  profile: string,
  passphrase: Passphrase,
): Promise<void> {
  const { publicKey, sign } = await keyIn(layout.operatorKey, passphrase)
  const kid = keyIdOf('operator', publicKey)
  await pinEverywhere(layout, { kid, role: 'operator', component: 'operator', publicKey })
  const wanted: KeyEntry[] = []
  for (const { role, file, component } of keyFiles(layout, profile)) {
    const since = await madeAt(file)
    wanted.push(entryOf(role, { component, key: await keyIn(file, passphrase), since }))
  }
  if (passphrase !== undefined) await sealOthers(layout, passphrase)
  const newest = await newestHere(layout)
  const known = newest?.set.keys ?? []
  for (const gateway of layout.gateways) {
    if (!(await isGranting(gateway, known))) wanted.push(await firstGrantKey(gateway, passphrase))
  }
  const missing = wanted.filter((entry) => !known.some((one) => one.kid === entry.kid))
  if (missing.length === 0 && newest !== undefined) return await giveOut(layout, newest)
  const keys = [...known, ...missing]
  const signer = { kid, sign, delegation: null, now: Date.now() }
  const bytes = utf8Encode(JSON.stringify(sealedKeySetJson(sealNext(newest, { keys }, signer))))
  for (const dir of trustFolders(layout)) await writeKeySet(dir, bytes)
}

async function pinEverywhere(layout: Layout, root: PublicKey): Promise<void> {
  for (const dir of trustFolders(layout)) {
    if (!(await exists(join(dir, 'root.json')))) await pinRoots(dir, [root])
  }
}

/** The keys that come and go: what an earlier start left in the clear. */
async function sealOthers({ gateways, host }: Layout, passphrase: Uint8Array): Promise<void> {
  const grants: string[] = []
  for (const { grantKeys } of gateways) {
    const keys = await loadKeyFolder(grantKeys, 'grant', passphrase)
    grants.push(...keys.map(({ kid }) => keyFileIn(grantKeys, kid)))
  }
  for (const file of [...grants, host.rotationKey]) {
    if (await exists(file)) await sealKeyFile(file, passphrase)
  }
}

/** The newest key set in any folder of this server that pins the operator's root. */
async function newestHere(layout: Layout): Promise<VerifiedKeySet | undefined> {
  const found = await Promise.all(
    trustFolders(layout).map(async (dir) => readKeySetFile(dir, await readRoots(dir))),
  )
  return found.filter((one) => one !== undefined).toSorted((a, b) => b.set.epoch - a.set.epoch)[0]
}

/** To whoever has none yet; those who have one follow the bus. */
async function giveOut(layout: Layout, newest: VerifiedKeySet): Promise<void> {
  const bytes = utf8Encode(JSON.stringify(sealedKeySetJson(newest.sealed)))
  for (const dir of trustFolders(layout)) {
    if (!(await exists(join(dir, 'key-set.json')))) await writeKeySet(dir, bytes)
  }
}

/** Whether this gateway has had a key that is listed. Whose a listed one is, only its folder tells. */
async function isGranting(
  { instance, grantKeys }: GatewayFiles,
  known: readonly KeyEntry[],
): Promise<boolean> {
  const listed = known.filter(({ role }) => role === 'grant')
  if (instance === '1') return listed.length > 0
  const there = await Promise.all(listed.map(({ kid }) => exists(keyFileIn(grantKeys, kid))))
  return there.includes(true)
}

/** The key with which a gateway begins; it makes and offers all further ones itself. */
async function firstGrantKey(
  { grantKeys, oldGrantKey }: GatewayFiles,
  passphrase: Passphrase,
): Promise<KeyEntry> {
  if (await exists(oldGrantKey)) {
    const old = await loadSigningKey(oldGrantKey, passphrase)
    await makePrivateDir(grantKeys)
    await rename(oldGrantKey, keyFileIn(grantKeys, keyIdOf('grant', old.publicKey)))
  }
  const [there] = await loadKeyFolder(grantKeys, 'grant', passphrase)
  const key = there ?? (await addKeyToFolder(grantKeys, 'grant', passphrase))
  const since = await madeAt(keyFileIn(grantKeys, key.kid))
  return entryOf('grant', { component: 'gateway', key, since })
}

function entryOf(
  role: ListedRole,
  of: { readonly component: string; readonly key: SigningKey; readonly since: number },
): KeyEntry {
  return {
    kid: keyIdOf(role, of.key.publicKey),
    role,
    component: of.component,
    public_key: base64urlEncode(of.key.publicKey),
    tenant: null,
    not_before: of.since,
    not_after: null,
    status: 'active',
    since: of.since,
  }
}

/** What a key signed before it was listed here verifies as well; one that is still to be made has time. */
async function madeAt(file: string): Promise<number> {
  return (await exists(file)) ? Math.floor((await stat(file)).mtimeMs) : Date.now()
}

/** Made where it is missing; sealed where it is not and a passphrase is given. */
async function keyIn(file: string, passphrase: Passphrase): Promise<SigningKey> {
  if (!(await exists(file))) return await createSigningKeyFile(file, passphrase)
  if (passphrase !== undefined) await sealKeyFile(file, passphrase)
  return await loadSigningKey(file, passphrase)
}
