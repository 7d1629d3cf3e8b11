import { defineConfig } from 'vitest/config'

/** Tests against foreign servers. They are run by `npm run test:peers`, which starts the servers and tells where. */
export default defineConfig({
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'] } },
  test: {
    include: ['test/peers/**/*.peer.test.ts'],
    pool: 'forks',
    // The servers are shared: one file after another.
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
})
