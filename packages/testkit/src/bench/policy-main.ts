import { loadavg } from 'node:os'
import { measurePolicy, policyEngines, printPolicyRows } from './policy.ts'

const rows = measurePolicy(policyEngines())
const asJson = process.argv.includes('--json')
process.stdout.write(
  asJson ? `${JSON.stringify({ rows, load: loadavg() })}\n` : `${printPolicyRows(rows)}\n`,
)
