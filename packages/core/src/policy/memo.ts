/** Values by name, each made once; all are forgotten before there would be more than `max`. */
export class Memo<T> {
  readonly #values = new Map<string, T>()
  readonly #max: number
  readonly #make: (name: string) => T

  constructor(max: number, make: (name: string) => T) {
    this.#max = max
    this.#make = make
  }

  get(name: string): T {
    const known = this.#values.get(name)
    if (known !== undefined) return known
    if (this.#values.size >= this.#max) this.#values.clear()
    const made = this.#make(name)
    this.#values.set(name, made)
    return made
  }

  clear(): void {
    this.#values.clear()
  }
}
