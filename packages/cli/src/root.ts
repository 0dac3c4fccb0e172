import { fileURLToPath } from 'node:url'

/** The project's folder, from `packages/cli/dist/src` and from `packages/cli/dist/bundle` alike. */
export const ROOT: string = fileURLToPath(new URL('../../../..', import.meta.url))
