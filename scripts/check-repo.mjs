// What no compiler and no linter checks: invariants, what is installed, what stands in the files.
// Plain Node, no dependencies. One line for each check, the result last; exit 1 when one fails.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

if (process.argv.includes('--help')) {
  process.stdout.write('node scripts/check-repo.mjs\n  after: npm ci, npx tsc -b\n')
  process.exit(0)
}
const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const SOURCE_MAX_LINES = 400
/** Packages that npm may run a script of at install; each with the reason. There is none. */
const INSTALL_SCRIPTS_ALLOWED = new Map([])
const LICENCES = new Set(
  'MIT ISC Apache-2.0 BSD-2-Clause BSD-3-Clause 0BSD BlueOak-1.0.0 CC0-1.0 Unlicense'.split(' '),
)
/** Packages whose licence field names no SPDX licence; what their publisher says instead. */
const LICENCES_STATED_ELSEWHERE = new Map([
  ['@modelcontextprotocol/server-filesystem', 'MIT, in its README.md'],
  ['@modelcontextprotocol/server-memory', 'MIT, in its README.md'],
])
/** Not shipped: parts for tests. What they depend on is not checked for its licence. */
const NOT_SHIPPED = new Set(['testkit'])
/** Written so that this file does not hold what it forbids. */
const FORBIDDEN = [
  [/(?<![\w.)}/~-])\/wor[k]\//, 'a path of one machine'],
  [/\/tmp\/t[g]\b/, 'a path of one machine'],
  [/registry\.(?:npmj[s]\.org|yarnpk[g]\.com)|npm\.pk[g]\.github\.com/, 'the host of a registry'],
]
const OPEN_MARK = /\b(?:TO[D]O|FIX[M]E|HAC[K])\b/
/** The only readers of a token's parts; both give nothing before the signature holds. */
const TOKEN_READERS = [
  'packages/protocol/src/jws.ts',
  'packages/runtime/src/nats/jwt.ts',
  // Verifies too, and with nothing of what it checks.
  'packages/testkit/src/sim/evidence.ts',
]
const TEXT = /\.(?:[cm]?[jt]sx?|json|jsonl|md|toml|html|css|svg|txt|sh)$|^[^.]+$/

const read = (name) => readFileSync(join(ROOT, name), 'utf8')
const json = (name) => JSON.parse(read(name))

/** Everything that is or may come to be tracked. */
function repositoryFiles() {
  const git = spawnSync('git', ['ls-files', '-co', '--exclude-standard', '-z'], {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 16 * 1024 * 1024,
  })
  const names =
    git.status === 0
      ? git.stdout.split('\0').filter((name) => name !== '')
      : walk('').filter((name) => !/(?:^|\/)(?:node_modules|dist|\.cache|\.trustgw)\//.test(name))
  return names.filter((name) => existsSync(join(ROOT, name)) && statSync(join(ROOT, name)).isFile())
}

function walk(folder) {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const name = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (['node_modules', '.git', 'dist', '.cache'].includes(entry.name)) return []
    return entry.isDirectory() ? walk(name) : [name]
  })
}

const FILES = repositoryFiles()
const TEXTS = FILES.filter((name) => TEXT.test(name.slice(name.lastIndexOf('/') + 1)))
const CODE = FILES.filter((name) => /^(?:packages|examples)\/[^/]+\/src\/.*\.tsx?$/.test(name))
const packageFolders = () =>
  ['packages', 'examples'].flatMap((folder) =>
    readdirSync(join(ROOT, folder))
      .map((name) => `${folder}/${name}`)
      .filter((name) => existsSync(join(ROOT, name, 'package.json'))),
  )

/** The headings of a document, without the marks and numbers before them. */
function headings(name) {
  return [...read(name).matchAll(/^#{2,4} (.+)$/gm)].map(([, title]) => title.trim())
}

function readInvariants() {
  const text = read('invariants.ts')
  const entry = /id:\s*'(INV-\d{2})',\s*sentence:\s*(?:'([^']+)'|"([^"]+)"),\s*spec:\s*'([^']+)'/g
  const found = [...text.matchAll(entry)].map(([, id, single, double, spec]) => {
    return { id, sentence: single ?? double, spec }
  })
  return { found, mentioned: [...text.matchAll(/\bid:\s*'/g)].length }
}

function invariants() {
  const { found, mentioned } = readInvariants()
  const problems = []
  if (found.length === 0 || found.length !== mentioned) problems.push('invariants.ts is unreadable')
  const ids = new Set(found.map(({ id }) => id))
  if (ids.size !== found.length) problems.push('an id is used twice')
  const tests = FILES.filter((name) => /^packages\/[^/]+\/test\/.*\.tsx?$/.test(name))
  const cited = new Map()
  for (const name of tests) {
    for (const [id] of read(name).matchAll(/\bINV-\d{2}\b/g)) {
      cited.set(id, [...(cited.get(id) ?? []), name])
    }
  }
  for (const { id, sentence } of found) {
    if (!cited.has(id)) problems.push(`${id} has no test: ${sentence}`)
  }
  for (const [id, names] of cited) if (!ids.has(id)) problems.push(`${names[0]}: no such ${id}`)
  for (const { id, spec } of found) if (!isSection(spec)) problems.push(`${id}: no section ${spec}`)
  return [`${found.length} invariants, each with a test`, problems]
}

/** `protocol §4` or `policy "Heading"`. */
function isSection(spec) {
  const [, document, number, heading] = /^(protocol|policy) (?:§(\d)|"([^"]+)")$/.exec(spec) ?? []
  if (document === undefined) return false
  const titles = headings(`spec/${document}.md`)
  return titles.some((title) =>
    number === undefined
      ? title === heading || title.startsWith(`${heading},`)
      : title.startsWith(`${number}. `),
  )
}

function citations() {
  const problems = []
  let count = 0
  for (const name of TEXTS.filter((file) =>
    /^(?:packages|examples|scripts|vectors)\//.test(file),
  )) {
    for (const [, document, number, heading] of read(name).matchAll(
      /spec\/(protocol|policy)\.md (?:§(\d)|"([^"\n]+)")/g,
    )) {
      count += 1
      const spec = `${document} ${number === undefined ? `"${heading}"` : `§${number}`}`
      if (!isSection(spec)) problems.push(`${name}: spec/${document}.md has no ${spec}`)
    }
  }
  return [`${count} citations of the specification, each of a section that is there`, problems]
}

function lockfile() {
  const { packages } = json('package-lock.json')
  const problems = []
  for (const [name, entry] of Object.entries(packages)) {
    if (typeof entry.resolved === 'string' && /^[a-z+]+:/.test(entry.resolved)) {
      problems.push(`${name}: the lockfile names a host`)
    }
    const shipped = name.startsWith('node_modules/') && entry.link !== true
    if (shipped && entry.integrity === undefined) problems.push(`${name}: no integrity`)
  }
  if (packages['node_modules/@nats-io/nuid']?.version !== '2.0.3') {
    problems.push('@nats-io/nuid must be 2.0.3')
  }
  return [`${Object.keys(packages).length} locked packages, none with a host`, problems]
}

function installScripts() {
  const problems = []
  const { packages } = json('package-lock.json')
  for (const [path, entry] of Object.entries(packages)) {
    if (!path.includes('node_modules/')) continue
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
    if (!runsAtInstall(path, entry)) continue
    const allowed = entry.optional === true && INSTALL_SCRIPTS_ALLOWED.has(name)
    if (!allowed) problems.push(`${path} runs a script at install`)
  }
  if (!/^ignore-scripts=true$/m.test(read('.npmrc'))) problems.push('.npmrc: ignore-scripts=true')
  return ['no dependency needs an install script', problems]
}

function runsAtInstall(path, entry) {
  if (entry.hasInstallScript === true) return true
  const manifest = join(ROOT, path, 'package.json')
  if (!existsSync(manifest) || entry.link === true) return false
  const scripts = JSON.parse(readFileSync(manifest, 'utf8')).scripts ?? {}
  return ['preinstall', 'install', 'postinstall'].some((hook) => scripts[hook] !== undefined)
}

function exactVersions() {
  const problems = []
  for (const folder of ['', ...packageFolders()]) {
    const file = folder === '' ? 'package.json' : `${folder}/package.json`
    const { dependencies, devDependencies } = json(file)
    for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
      if (!/^(?:npm:@?[^@]+@)?\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version)) {
        problems.push(`${file}: ${name} ${version} is not one version`)
      }
    }
  }
  return ['every dependency is one exact version', problems]
}

/** The packages that a shipped part loads, by following what each declares. */
function shippedPackages() {
  const seen = new Map()
  const visit = (folder) => {
    if (seen.has(folder)) return
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    seen.set(folder, manifest)
    for (const name of Object.keys({
      ...manifest.dependencies,
      ...manifest.optionalDependencies,
    })) {
      if (name.startsWith('@trustgw/')) continue
      const found = resolvePackage(folder, name)
      if (found !== undefined) visit(found)
    }
  }
  for (const name of packageFolders()) {
    if (!NOT_SHIPPED.has(name.slice(name.indexOf('/') + 1))) visit(join(ROOT, name))
  }
  return [...seen].filter(([folder]) => relative(ROOT, folder).includes('node_modules'))
}

function resolvePackage(from, name) {
  for (let folder = from; folder.startsWith(ROOT); folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name)
    if (existsSync(join(candidate, 'package.json'))) return candidate
  }
  return undefined
}

function licences() {
  const problems = []
  const shipped = shippedPackages()
  for (const [folder, { name, license }] of shipped) {
    const text = typeof license === 'string' ? license : 'none'
    const choices = text.replaceAll(/[()]/g, '').split(' OR ')
    const fine = choices.some((choice) => choice.split(' AND ').every((one) => LICENCES.has(one)))
    if (fine || LICENCES_STATED_ELSEWHERE.has(name)) continue
    problems.push(`${relative(ROOT, folder)}: licence ${text}`)
  }
  if (shipped.length === 0) problems.push('nothing is installed')
  return [`${shipped.length} shipped packages of others, all under permissive licences`, problems]
}

function librariesExplained() {
  const text = read('docs/adr/0007-libraries.md')
  const problems = []
  let count = 0
  for (const folder of packageFolders()) {
    for (const [name, version] of Object.entries(
      json(`${folder}/package.json`).dependencies ?? {},
    )) {
      if (name.startsWith('@trustgw/')) continue
      count += 1
      const line = text.split('\n').find((row) => row.startsWith(`| \`${name}\` |`))
      if (line === undefined) problems.push(`${folder}: ${name} has no line in docs/adr/0007`)
      else if (!line.includes(version)) problems.push(`docs/adr/0007: ${name} is ${version} now`)
    }
  }
  return [`${count} uses of libraries, each explained`, problems]
}

function forbiddenWords() {
  const problems = TEXTS.flatMap((name) =>
    read(name)
      .split('\n')
      .flatMap((line, index) =>
        FORBIDDEN.filter(([pattern]) => pattern.test(line)).map(
          ([, what]) => `${name}:${index + 1}: ${what}`,
        ),
      ),
  )
  return [`${TEXTS.length} files name no machine and no registry`, problems]
}

function openMarks() {
  const problems = []
  for (const name of TEXTS.filter((file) => !file.startsWith('vectors/') && file !== 'LICENSE')) {
    for (const [index, line] of read(name).split('\n').entries()) {
      if (OPEN_MARK.test(line)) problems.push(`${name}:${index + 1}: unfinished`)
    }
  }
  return ['nothing is marked as unfinished', problems]
}

function tokensVerified() {
  const problems = []
  for (const name of CODE.filter((file) => !TOKEN_READERS.includes(file))) {
    const text = read(name)
    const splits = /\.split\((?:'\.'|"\."|DOT)/.test(text) || /\.split\(\/\\\.\//.test(text)
    const decodes = /base64url|\batob\(/i.test(text)
    if (splits && decodes) problems.push(`${name}: takes a token apart; use verifyJws`)
    if (/\b(?:decodeJwt|jwtDecode|decodeProtectedHeader)\b/.test(text)) {
      problems.push(`${name}: decodes a token without verifying it`)
    }
  }
  return ['no token is decoded without verifying it', problems]
}

function fileLengths() {
  const problems = []
  for (const name of CODE) {
    const lines = read(name).trimEnd().split('\n').length
    if (lines > SOURCE_MAX_LINES) problems.push(`${name}: ${lines} lines`)
  }
  return [`${CODE.length} source files of at most ${SOURCE_MAX_LINES} lines`, problems]
}

function generatedDocuments() {
  const made = spawnSync(process.execPath, [join(ROOT, 'scripts/generate-docs.mjs'), '--check'], {
    encoding: 'utf8',
  })
  const problems = made.status === 0 ? [] : [made.stderr.trim() || 'they could not be made']
  return ['generated documents are what the code says', problems]
}

function links() {
  const problems = []
  let count = 0
  for (const name of FILES.filter((file) => file.endsWith('.md'))) {
    const text = read(name).replaceAll(/```[\s\S]*?```/g, '')
    for (const [, target] of text.matchAll(/\]\(([^)\s#]+)(?:#[^)\s]*)?\)/g)) {
      if (/^[a-z]+:/.test(target)) continue
      count += 1
      if (!existsSync(resolve(ROOT, dirname(name), target))) {
        problems.push(`${name}: ${target} is not there`)
      }
    }
  }
  return [`${count} links between documents lead somewhere`, problems]
}

/** SECURITY.md names the test behind a claim by its name, in quotation marks. */
function namedTests() {
  const tests = FILES.filter((name) => /^(?:packages|examples)\/[^/]+\/test\//.test(name))
  const names = tests.map((name) => read(name).replaceAll(/\\(['"`])/g, '$1')).join('\n')
  const quoted = read('SECURITY.md')
    .replaceAll(/```[\s\S]*?```/g, '')
    .replaceAll(/\s+/g, ' ')
    .matchAll(/"([^"]+)"/g)
  const problems = []
  let count = 0
  for (const [, quote] of quoted) {
    count += 1
    // `refuses('code', 'what')` in a test is named "code: what".
    const parts = /^[a-z_]+: /.test(quote) ? quote.split(': ') : [quote]
    if (!names.includes(quote) && !parts.every((part) => names.includes(part))) {
      problems.push(`SECURITY.md: no test is called "${quote}"`)
    }
  }
  return [`${count} tests named in SECURITY.md, each there`, problems]
}

/** Of its tables on parties that are taken over, every cell has a test or says why it needs none. */
function takenOverCells() {
  const [, section = ''] = read('SECURITY.md').split(/^## (?=Taken over)/m)
  const [text] = section.split(/^## /m)
  const rows = text.split('\n').filter((line) => line.startsWith('|'))
  // What stands above a line of dashes is a heading.
  const told = rows.filter((row, index) => !isDashes(row) && !isDashes(rows[index + 1] ?? ''))
  const problems = []
  let count = 0
  for (const row of told) {
    const [party = '', ...cells] = row.split('|').slice(1, -1)
    for (const cell of cells) {
      count += 1
      if (/"[^"]+"/.test(cell) || /\*by construction\*: \S/.test(cell)) continue
      problems.push(`SECURITY.md: no test behind "${party.trim()}": ${cell.trim().slice(0, 60)}`)
    }
  }
  if (count === 0) problems.push('SECURITY.md: no table under "Taken over"')
  if (/not yet tested/i.test(text)) problems.push('SECURITY.md: something is not yet tested')
  return [`${count} cells on what a party can and cannot, each with its test`, problems]
}

const isDashes = (row) => /^\|(?: -+ \|)+$/.test(row)

const CHECKS = [
  invariants,
  citations,
  lockfile,
  installScripts,
  exactVersions,
  licences,
  librariesExplained,
  forbiddenWords,
  openMarks,
  tokensVerified,
  fileLengths,
  generatedDocuments,
  links,
  namedTests,
  takenOverCells,
]
let failed = 0
for (const check of CHECKS) {
  const [title, problems] = check()
  if (problems.length > 0) failed += 1
  process.stdout.write(`${problems.length === 0 ? 'ok  ' : 'FAIL'}  ${title}\n`)
  for (const problem of problems.slice(0, 40)) process.stdout.write(`        ${problem}\n`)
  if (problems.length > 40) process.stdout.write(`        and ${problems.length - 40} more\n`)
}
process.stdout.write(failed === 0 ? `ok: ${CHECKS.length} checks\n` : `${failed} checks failed\n`)
process.exit(failed === 0 ? 0 : 1)
