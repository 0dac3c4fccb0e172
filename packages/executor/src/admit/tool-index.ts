import { contractHash, type Hash, type Sha256, type ToolContract } from '@trustgw/protocol'
import type { SchemaCompiler, SchemaValidator } from '@trustgw/runtime'

export interface ServedTool {
  readonly contract: ToolContract
  readonly contract_hash: Hash
  readonly input: SchemaValidator
}

/** The tools that this executor serves at a moment, by id. */
export interface ServedTools {
  find(id: string): ServedTool | undefined
}

/** Compiles once per contract; a contract whose schema does not compile is not served. */
export class ToolIndex implements ServedTools {
  readonly #sha256: Sha256
  readonly #schemas: SchemaCompiler
  #tools = new Map<string, ServedTool>()

  constructor(sha256: Sha256, schemas: SchemaCompiler) {
    this.#sha256 = sha256
    this.#schemas = schemas
  }

  find(id: string): ServedTool | undefined {
    return this.#tools.get(id)
  }

  list(): readonly ServedTool[] {
    return [...this.#tools.values()]
  }

  replace(contracts: readonly ToolContract[]): void {
    const next = new Map<string, ServedTool>()
    for (const contract of contracts) {
      const hash = contractHash(this.#sha256, contract)
      const known = this.#tools.get(contract.id)
      if (known?.contract_hash === hash) {
        next.set(contract.id, known)
        continue
      }
      const input = this.#schemas.compile(contract.input_schema)
      if (input.ok) next.set(contract.id, { contract, contract_hash: hash, input: input.value })
    }
    this.#tools = next
  }
}
