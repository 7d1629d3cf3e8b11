const LINKS = [
  ['/docs', 'all routes, to try out'],
  ['/openapi.json', 'the same for machines'],
  ['/v1/symbols', 'which instruments there are'],
  ['/v1/trades?limit=10&order=desc', 'the ten newest trades'],
  ['/v1/bars?interval=1m&limit=10&order=desc', 'the newest bars of a minute'],
  ['/v1/snapshot', 'the newest trade and quote of each instrument'],
  ['/v1/asof?limit=10&order=desc', 'the ten newest trades, with the quotes that prevailed'],
  ['/admin/tables', 'the tables: snapshots, files, rows, bytes, offsets'],
  ['/health/ready', 'whether the tables have caught up'],
] as const

/** The plain page at `/`. */
export const HOME_PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>ticklake</title>
<style>body { font: 16px/1.6 system-ui, sans-serif; max-width: 42rem; margin: 3rem auto; padding: 0 1rem }</style>
<h1>ticklake</h1>
<p>Trades and quotes in Iceberg tables, and exact answers over HTTP.</p>
<ul>
${LINKS.map(([path, text]) => `<li><a href="${path.replaceAll('&', '&amp;')}">${path.replaceAll('&', '&amp;')}</a>: ${text}</li>`).join('\n')}
</ul>
</html>
`
