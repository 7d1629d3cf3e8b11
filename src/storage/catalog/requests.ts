import { asRequest, Fields, type Json } from '../iceberg/json.js'
import { parseRequirements } from '../iceberg/requirements.js'
import { parseUpdates } from '../iceberg/updates.js'
import type { TableCommit, TableIdentifier } from './catalog-server.js'

const CREATION = 'assert-create'

/** The body of a commit (Iceberg REST: CommitTableRequest). `invalid_input` says what is wrong with it, and where. */
export function parseTableCommit(json: Json, path: string): TableCommit {
  return asRequest(() => {
    const from = new Fields(json, path)
    const requirements = from.has('requirements') ? from.json('requirements') : []
    const types = new Fields({ requirements }, path).list('requirements', (element, at) =>
      new Fields(element, at).string('type'),
    )
    return {
      requirements: parseRequirements(requirements, path),
      updates: parseUpdates(from.json('updates'), path),
      isCreation: types.includes(CREATION),
    }
  })
}

/** A table as bodies name it (Iceberg REST: TableIdentifier). */
export function parseIdentifier(json: Json, path: string): TableIdentifier {
  return asRequest(() => {
    const from = new Fields(json, path)
    return {
      namespace: parseNamespace(from.json('namespace'), `${path}.namespace`),
      name: from.string('name'),
    }
  })
}

/** The levels of a namespace as one name. One with several levels is none that there is. */
export function parseNamespace(json: Json, path: string): string {
  return asRequest(() => {
    const from = new Fields({ levels: json }, path)
    return from.values('levels', from.string).join('.')
  })
}
