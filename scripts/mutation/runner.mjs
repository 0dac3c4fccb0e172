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
const PROPERTY_RUNS_MAX = 10
const FAILURE_MAX_CHARS = 200
const SLOW_TEST_MS = 50
/** What Stryker puts into mutated code looks here. */
const switches = () => {
  globalThis.__stryker__ ??= {}
  return globalThis.__stryker__
}

const boundedProperties = (runsMax = PROPERTY_RUNS_MAX) => ({
  ...fc,
  assert: (property, parameters = {}) =>
    fc.assert(property, {
      ...parameters,
      seed: PROPERTY_SEED,
      endOnFailure: true,
      numRuns: Math.min(parameters.numRuns ?? runsMax, runsMax),
    }),
})

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
  /** How many mutants a file's tests found. */
  #kills = new Map()

  constructor({ mutation }) {
    this.#area = mutation
  }

  capabilities() {
    return { reloadEnvironment: true }
  }

  async init() {
    const given = new Map()
    for (const name of this.#area.given) {
      const loaded = await import(name)
      given.set(name, { __esModule: true, ...loaded })
    }
    const properties = boundedProperties(this.#area.propertyRuns)
    given.set('fast-check', { __esModule: true, default: properties })
    given.set('node:test', { __esModule: true, ...this.#testModule() })
    this.#modules = new Modules(this.#area, given)
    const leftOut = new RegExp(this.#area.leftOut)
    this.testFiles = readdirSync(resolve(this.#area.folder, this.#area.tests))
      .filter((name) => name.endsWith('.test.ts') && !leftOut.test(name))
      .sort()
  }

  #register = () => {}

  /** What tests use of `node:test`. A file is never run as a whole, so its `after` is left out. */
  #testModule() {
    const groups = []
    const test = (name, run) => this.#register([...groups, name].join(': '), run)
    const describe = (name, define) => {
      groups.push(name)
      try {
        define()
      } finally {
        groups.pop()
      }
    }
    return { test, it: test, describe, after: () => {} }
  }

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
    const cleanUps = []
    try {
      await run({ after: (cleanUp) => cleanUps.push(cleanUp) })
      for (const cleanUp of cleanUps.splice(0)) await cleanUp()
    } catch (error) {
      for (const cleanUp of cleanUps) await cleanUp()
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
    try {
      this.#loadSources()
      state.activeMutant = activeMutant.id
      const failed = await this.#firstFailure(testFilter)
      if (failed === null) return { status: 'survived', nrOfTests: testFilter?.length ?? 0 }
      return outcomeOf(failed, state)
    } catch (error) {
      const failureMessage = String(error?.message ?? error)
      return outcomeOf({ id: testFilter?.[0] ?? 'the sources', failureMessage }, state)
    } finally {
      state.activeMutant = undefined
    }
  }

  /** File by file, the ones first that found most so far; slow tests after all others. */
  async #firstFailure(testFilter) {
    const slow = []
    let found = 0
    const kills = (file) => this.#kills.get(file) ?? 0
    for (const file of this.#filesOf(testFilter).toSorted((a, b) => kills(b) - kills(a))) {
      const tests = this.#loadTests(file).filter(({ id }) => testFilter?.includes(id) ?? true)
      found += tests.length
      for (const test of tests) {
        if (this.#spentOn(test) > SLOW_TEST_MS) slow.push([file, test])
        else {
          const result = await this.#runTest(file, test)
          if (result.status !== 0) {
            this.#kills.set(file, kills(file) + 1)
            return result
          }
        }
      }
    }
    slow.sort(([, a], [, b]) => this.#spentOn(a) - this.#spentOn(b))
    for (const [file, test] of slow) {
      const result = await this.#runTest(file, test)
      if (result.status !== 0) return result
    }
    if (testFilter === undefined || found === testFilter.length) return null
    return { id: testFilter[0], failureMessage: 'tests are missing' }
  }

  #spentOn({ id }) {
    return this.#spent.get(id) ?? 0
  }

  #filesOf(testFilter) {
    if (testFilter === undefined) return this.testFiles
    return this.testFiles.filter((file) => testFilter.some((id) => id.startsWith(`${file}: `)))
  }
}

/** A mutant that a test failed of, or that went round more often than any program should. */
function outcomeOf({ id, failureMessage }, { hitCount, hitLimit }) {
  return hitLimit !== undefined && hitCount > hitLimit
    ? { status: 'timeout', reason: `more than ${hitLimit} times there` }
    : { status: 'killed', killedBy: [id], failureMessage, nrOfTests: 1 }
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
