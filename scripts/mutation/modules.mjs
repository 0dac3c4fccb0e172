/**
 * Loads a package's TypeScript, sources and tests, inside this process and as often as asked: its
 * types are cut away and each module becomes a function, so that a fresh copy costs milliseconds.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { compileFunction } from 'node:vm'
import ts from 'typescript'

const PARAMETERS = ['require', 'exports', 'moduleUrl']
/** What Stryker puts in to count what a test covers, which is most of the time of a mutated run. */
const COUNTS = /\bstryCov_\w+\((?:"\d+"(?:, )?)+\)/g

/** @param {string} file what was cut is kept beside it, for the next process */
function javascriptOf(file) {
  const kept = `${file}.cut.js`
  if (existsSync(kept)) return readFileSync(kept, 'utf8')
  const { outputText } = ts.transpileModule(readFileSync(file, 'utf8'), {
    fileName: file,
    compilerOptions: {
      module: ts.ModuleKind.CommonJS,
      target: ts.ScriptTarget.ES2023,
      verbatimModuleSyntax: false,
    },
  })
  const text = outputText
    .replaceAll('import.meta.dirname', "new URL('.', moduleUrl).pathname")
    .replaceAll('import.meta.url', 'moduleUrl')
  const staged = `${kept}.${process.pid}`
  writeFileSync(staged, text)
  renameSync(staged, kept)
  return text
}

export class Modules {
  #functions = { counting: new Map(), plain: new Map() }
  #given
  #area
  #own

  /**
   * @param {{ name: string, folder: string, index: string }} area the package as others import it,
   *   and its folder below the working folder, which is a copy of the project
   * @param {ReadonlyMap<string, object>} given what modules import from elsewhere
   */
  constructor(area, given) {
    this.#area = area
    this.#given = given
    this.#own = resolve(area.folder)
  }

  /**
   * The exports of a module. What it imports comes from `sources` if it stands there, else it is
   * loaded anew into `sources` or `tests`.
   * @param {string} file
   * @param {{ sources: Map<string, object>, tests: Map<string, object>, counting: boolean }} loaded
   *   `counting`: whether the sources tell what is covered
   */
  load(file, loaded) {
    const place = relative(this.#own, file).startsWith('src') ? loaded.sources : loaded.tests
    const known = place.get(file)
    if (known !== undefined) return known
    const exports = {}
    place.set(file, exports)
    const require = (name) => {
      if (name === this.#area.name) return this.load(join(this.#own, this.#area.index), loaded)
      if (name.startsWith('.')) return this.load(resolve(dirname(file), name), loaded)
      const given = this.#given.get(name)
      if (given === undefined) throw new Error(`${file} imports ${name}, which is not given`)
      return given
    }
    this.#function(file, loaded.counting)(require, exports, this.#urlOf(file))
    return exports
  }

  #function(file, counting) {
    const made = this.#functions[counting ? 'counting' : 'plain']
    const known = made.get(file)
    if (known !== undefined) return known
    const text = javascriptOf(file)
    const code = counting ? text : text.replaceAll(COUNTS, '0')
    const loader = compileFunction(code, PARAMETERS, { filename: file })
    made.set(file, loader)
    return loader
  }

  /** As if the module were built, since tests find data files from where they stand then. */
  #urlOf(file) {
    return pathToFileURL(join(this.#own, 'dist', relative(this.#own, file))).href
  }
}
