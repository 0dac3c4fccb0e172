export type { PolicyInForce } from './decide/evaluator.ts'
export { loadPolicy, PolicyFault } from './decide/policy-file.ts'
export type { GatewayApi } from './gateway-api.ts'
export { type RunningGateway, type StartGatewayDeps, startGateway } from './start-gateway.ts'
