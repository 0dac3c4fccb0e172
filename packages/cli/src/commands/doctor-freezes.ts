import { BusFault, FileFault, type Settings } from '@trustgw/runtime'
import { FreezeAdmin } from '../freeze/freeze-admin.ts'
import { scopeWords } from '../freeze/scope-words.ts'
import type { Check } from './doctor-check.ts'

/** What stands still; nothing is said where no bus answers. */
export async function freezeChecks(settings: Settings): Promise<readonly Check[]> {
  const name = 'Freezes'
  try {
    const admin = await FreezeAdmin.open(settings)
    try {
      const standing = (await admin.list()).filter(({ final, thaw }) => thaw === null && !final)
      if (standing.length === 0) return [{ name, grade: 'ok', detail: 'nothing is frozen' }]
      const detail = standing.map(({ statement }) => scopeWords(statement.scope)).join(', ')
      const remedy = 'trustgw freeze list says why; trustgw thaw ends one'
      return [{ name, grade: 'warn', detail: `frozen: ${detail}`, remedy }]
    } finally {
      await admin.close()
    }
  } catch (error) {
    if (error instanceof BusFault || error instanceof FileFault) return []
    throw error
  }
}
