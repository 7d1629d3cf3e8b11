/** What the runner told a peer's tests: where the server is, see `suites.ts`. */
export function told(name: string): string {
  const value = process.env[name]
  if (value === undefined)
    throw new Error(`${name} is not set: npm run test:peers starts the server and sets it`)
  return value
}
