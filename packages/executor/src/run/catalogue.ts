import type { ToolIndex } from '../admit/tool-index.ts'
import type { Connector } from '../connectors/connector.ts'
import type { RegistryPublisher } from './registry-publisher.ts'

/** What the connectors offer, kept for admission and published whenever it changes. */
export class Catalogue {
  readonly #connectors: readonly Connector[]
  readonly #tools: ToolIndex
  #registry: RegistryPublisher | undefined

  constructor(connectors: readonly Connector[], tools: ToolIndex) {
    this.#connectors = connectors
    this.#tools = tools
  }

  /** Starts the connectors and publishes, from then on whenever something changes. */
  async serve(registry: RegistryPublisher): Promise<void> {
    const update = (): void => {
      this.#tools.replace(this.#connectors.flatMap((connector) => connector.contracts()))
      this.offer()
    }
    for (const connector of this.#connectors) connector.onChanged(update)
    await Promise.all(this.#connectors.map((connector) => connector.start()))
    this.#registry = registry
    update()
  }

  /** Publishes what is served now; nothing before {@link serve} is done. */
  offer(): void {
    if (this.#registry === undefined) return
    const contracts = this.#tools.list().map(({ contract }) => contract)
    const bundles = this.#connectors
      .filter(({ bundle }) => contracts.some((contract) => contract.bundle === bundle.id))
      .map(({ bundle }) => bundle)
    this.#registry.offer(bundles, contracts)
  }
}
