export type { TableJson } from './admin.js'
export { type LoadJson, loadJson } from './load-routes.js'
export { type FileLoader, type LoadJob, Loads } from './loads.js'
export { type ApiServer, createApi } from './server.js'
