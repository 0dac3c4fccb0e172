/** Parsing, canonical form and schemas, measured in a process of their own; one line of JSON. */
import { stdout } from 'node:process'
import { measurePipeline } from './pipeline.ts'

stdout.write(`${JSON.stringify(measurePipeline())}\n`)
