export {
  type ActionRecord,
  argumentsOf,
  readActionRecord,
  writeActionRecord,
} from './action/action-record.ts'
export type { PolicyInForce } from './decide/evaluator.ts'
export { type PolicyFeed, PolicySource } from './decide/policy-source.ts'
export { MetricsBook } from './faces/metrics.ts'
export { NatsFace } from './faces/nats.ts'
export { type HttpFaces, startHttpFaces } from './faces/start-http-faces.ts'
export type { GatewayApi } from './gateway-api.ts'
export { GrantKeys } from './grant/grant-keys.ts'
export { type RunningGateway, type StartGatewayDeps, startGateway } from './start-gateway.ts'
