#!/usr/bin/env node
// CommonJS on purpose. libuv reads UV_THREADPOOL_SIZE when its pool is first used, and loading an ES module uses
// it: set from an ES module, the size is ignored. Queries and file writes share that pool; with libuv's own four
// threads, six slow queries stop everything else. (docs/decisions: The thread pool is sized before the first module.)
process.env.UV_THREADPOOL_SIZE ??= '16'

void import('./cli/program.js').then(({ run }) => run(process.argv))
