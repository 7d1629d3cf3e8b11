export type { TableJson } from './admin.js'
export { type LoadJson, loadJson } from './load-routes.js'
export { type FileLoader, type LoadJob, type LoadRequest, Loads } from './loads.js'
export { type ApiServer, createApi } from './server.js'
