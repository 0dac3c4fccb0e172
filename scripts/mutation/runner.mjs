/**
 * The test runner that Stryker drives: tests run in its worker process, in milliseconds, instead of
 * a process of Node for each test file and mutant. Loaded by Stryker; started by scripts/mutation.mjs.
 */
import { readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { performance } from 'node:perf_hooks'
import fc from 'fast-check'
import { Modules } from './modules.mjs'

/** Properties run with one seed and few cases, without looking for a smaller one: the same mutants die in every run, and soon. */
const PROPERTY_SEED = 1
const PROPERTY_RUNS_MAX = 20
const FAILURE_MAX_CHARS = 200
const GIVEN = [
  '@trustgw/protocol',
  'node:assert/strict',
  'node:crypto',
  'node:fs',
  're2js',
  'smol-toml',
]
/** What Stryker puts into mutated code looks here. */
const switches = () => {
  globalThis.__stryker__ ??= {}
  return globalThis.__stryker__
}

const boundedProperties = {
  ...fc,
  assert: (property, parameters = {}) =>
    fc.assert(property, {
      ...parameters,
      seed: PROPERTY_SEED,
      endOnFailure: true,
      numRuns: Math.min(parameters.numRuns ?? PROPERTY_RUNS_MAX, PROPERTY_RUNS_MAX),
    }),
}

/** Names are made unique, since Stryker knows a test by its id alone. */
function testRegister(file, into) {
  return (name, run) => {
    let id = `${file}: ${name}`
    while (into.some((test) => test.id === id)) id += '+'
    into.push({ id, name, run })
  }
}

class Runner {
  static inject = ['options']
  #area
  #modules
  #sources = new Map()
  #counting = true
  #registered = []
  /** What a test took when it passed last. */
  #fileOf = new Map()
  #spent = new Map()

  constructor({ mutation }) {
    this.#area = mutation.area
    this.root = mutation.root
  }

  capabilities() {
    return { reloadEnvironment: true }
  }

  async init() {
    const given = new Map()
    for (const name of GIVEN) {
      const loaded = await import(name)
      given.set(name, { __esModule: true, ...loaded })
    }
    given.set('fast-check', { __esModule: true, default: boundedProperties })
    const test = (...parts) => this.#register(...parts)
    given.set('node:test', { __esModule: true, test })
    this.#modules = new Modules({ area: this.#area, root: this.root }, given)
    this.testFiles = readdirSync(resolve(this.#area.folder, this.#area.tests))
      .filter((name) => name.endsWith('.test.ts') && !/\.(?:long|exhaustive)\.test\.ts$/.test(name))
      .sort()
  }

  #register = () => {}

  #load(file) {
    const loaded = { sources: this.#sources, tests: new Map(), counting: this.#counting }
    return this.#modules.load(file, loaded)
  }

  /** Anew for each mutant: nothing that one left in a module's memory decides over the next. */
  #loadSources() {
    this.#sources = new Map()
    this.#load(resolve(this.#area.folder, this.#area.index))
  }

  /** The tests of a file, by running the file; what it does while it is loaded is part of each. */
  #loadTests(file) {
    this.#registered = []
    this.#register = testRegister(file, this.#registered)
    this.#load(resolve(this.#area.folder, this.#area.tests, file))
    return this.#registered
  }

  async dryRun() {
    const state = switches()
    this.#counting = true
    state.activeMutant = undefined
    state.currentTestId = undefined
    state.mutantCoverage = { static: {}, perTest: {} }
    this.#loadSources()
    this.#counting = false
    const results = []
    const { perTest } = state.mutantCoverage
    for (const file of this.testFiles) {
      state.currentTestId = file
      const tests = this.#loadTests(file)
      const atLoading = perTest[file] ?? {}
      delete perTest[file]
      for (const test of tests) {
        perTest[test.id] = { ...atLoading }
        state.currentTestId = test.id
        results.push(await this.#runTest(file, test))
      }
    }
    state.currentTestId = undefined
    return { status: 'complete', tests: results, mutantCoverage: state.mutantCoverage }
  }

  async #runTest(file, { id, name, run }) {
    const started = performance.now()
    const result = { id, name, fileName: resolve(this.#area.folder, this.#area.tests, file) }
    try {
      await run()
    } catch (error) {
      const failureMessage = String(error?.message ?? error).slice(0, FAILURE_MAX_CHARS)
      return { ...result, status: 1, failureMessage, timeSpentMs: performance.now() - started }
    }
    const timeSpentMs = performance.now() - started
    this.#spent.set(id, timeSpentMs)
    return { ...result, status: 0, timeSpentMs }
  }

  async mutantRun({ activeMutant, testFilter, hitLimit, mutantActivation }) {
    const state = switches()
    state.currentTestId = undefined
    state.mutantCoverage = undefined
    state.hitCount = hitLimit === undefined ? undefined : 0
    state.hitLimit = hitLimit
    state.activeMutant = mutantActivation === 'static' ? activeMutant.id : undefined
    const killedBy = (id, failureMessage, nrOfTests) => {
      if (hitLimit !== undefined && state.hitCount > hitLimit) {
        return { status: 'timeout', reason: `more than ${hitLimit} times there` }
      }
      return { status: 'killed', killedBy: [id], failureMessage, nrOfTests }
    }
    let doing = 'the sources'
    try {
      this.#loadSources()
      state.activeMutant = activeMutant.id
      const waiting = []
      for (const file of this.#filesOf(testFilter)) {
        doing = file
        const wanted = ({ id }) => testFilter === undefined || testFilter.includes(id)
        for (const test of this.#loadTests(file)) if (wanted(test)) waiting.push([file, test])
      }
      waiting.sort(([, a], [, b]) => (this.#spent.get(a.id) ?? 0) - (this.#spent.get(b.id) ?? 0))
      for (const [index, [file, test]] of waiting.entries()) {
        const { status, failureMessage } = await this.#runTest(file, test)
        if (status !== 0) return killedBy(test.id, failureMessage, index + 1)
      }
      const known = testFilter === undefined || waiting.length === testFilter.length
      if (!known) return killedBy(testFilter[0], 'tests are missing', waiting.length)
      return { status: 'survived', nrOfTests: waiting.length }
    } catch (error) {
      return killedBy(testFilter?.[0] ?? doing, String(error?.message ?? error), 0)
    } finally {
      state.activeMutant = undefined
    }
  }

  #filesOf(testFilter) {
    if (testFilter === undefined) return this.testFiles
    return this.testFiles.filter((file) => testFilter.some((id) => id.startsWith(`${file}: `)))
  }
}

const PROGRESS_EVERY_MS = 5_000

/** Says on stderr how far it is. */
class Progress {
  static inject = []
  #total = 0
  #done = 0
  #alive = 0
  #said = 0
  onMutationTestingPlanReady({ mutantPlans }) {
    this.#total = mutantPlans.length
    process.stderr.write(`  ${this.#total} mutants\n`)
  }
  onMutantTested({ status }) {
    this.#done += 1
    if (status === 'Survived' || status === 'NoCoverage') this.#alive += 1
    const now = performance.now()
    if (now - this.#said < PROGRESS_EVERY_MS && this.#done < this.#total) return
    this.#said = now
    process.stderr.write(`  ${this.#done} of ${this.#total}, ${this.#alive} survive\n`)
  }
}

export const strykerPlugins = [
  { kind: 'TestRunner', name: 'in-process', injectableClass: Runner },
  { kind: 'Reporter', name: 'lines', injectableClass: Progress },
]
