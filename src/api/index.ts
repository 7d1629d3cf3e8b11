export type { TableJson } from './admin.js'
export { type LoadJson, loadJson } from './load-routes.js'
export {
  type FileLoader,
  type LoadJob,
  type LoadRequest,
  type LoadResult,
  Loads,
  type LoadsOptions,
} from './loads.js'
export { type ApiOptions, type ApiServer, createApi } from './server.js'
