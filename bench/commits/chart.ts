import type { Life, Stage } from './stage.js'

/** What is drawn, each in a panel of its own. */
const PANELS: readonly (readonly [title: string, of: (stage: Stage) => number])[] = [
  ['live data files', ({ files }) => files],
  ['live manifests', ({ manifests }) => manifests],
  ['metadata file, KiB', ({ metadataBytes }) => metadataBytes / 1024],
  ['commit p50 of the last hundred, ms', ({ commitP50Ms }) => commitP50Ms],
]
const COLOURS = ['#2563eb', '#d97706']
const [WIDTH, HEIGHT, MARGIN, GAP] = [300, 150, 44, 34]

/** An SVG picture of lives by name, over the number of commits; a dot is what the compaction at the end leaves. */
export function chart(lives: Readonly<Record<string, Life>>): string {
  const columns = 2
  const [cellWidth, cellHeight] = [WIDTH + MARGIN + GAP, HEIGHT + 2 * GAP]
  const rows = Math.ceil(PANELS.length / columns)
  const [width, height] = [columns * cellWidth, rows * cellHeight + GAP]
  const names = Object.keys(lives).map(
    (name, index) =>
      `<text x="${MARGIN + index * 240}" y="18" fill="${COLOURS[index]}" font-weight="bold">${name}</text>`,
  )
  const panels = PANELS.map(([title, of], index) => {
    const [x, y] = [
      (index % columns) * cellWidth + MARGIN,
      Math.floor(index / columns) * cellHeight + 2 * GAP,
    ]
    return `<g transform="translate(${x} ${y})">${panel(title, of, Object.values(lives))}</g>`
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">`,
    '<title>Files, manifests, metadata and commits of a table over its commits</title>',
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...names,
    ...panels,
    '</svg>\n',
  ].join('\n')
}

function panel(title: string, of: (stage: Stage) => number, lives: readonly Life[]): string {
  const stages = lives.flatMap(({ growing, compacted }) => [...growing, compacted])
  const most = Math.max(...stages.map(({ commits }) => commits))
  const top = Math.max(...stages.map(of))
  const at = (stage: Stage) =>
    [(stage.commits / most) * WIDTH, HEIGHT - (of(stage) / top) * HEIGHT].map((one) => one.toFixed(1))
  const lines = lives.map(({ growing, compacted }, index) => {
    const points = growing.map((stage) => at(stage).join(',')).join(' ')
    const [x, y] = at(compacted)
    return (
      `<polyline points="${points}" fill="none" stroke="${COLOURS[index]}" stroke-width="1.5"/>` +
      `<circle cx="${x}" cy="${y}" r="3.5" fill="${COLOURS[index]}"/>`
    )
  })
  return [
    `<text y="-10" font-weight="bold">${title}</text>`,
    `<path d="M0 0 V${HEIGHT} H${WIDTH}" fill="none" stroke="#888888"/>`,
    `<text x="-6" y="4" text-anchor="end">${shown(top)}</text><text x="-6" y="${HEIGHT}" text-anchor="end">0</text>`,
    `<text x="${WIDTH}" y="${HEIGHT + 15}" text-anchor="end">${most.toLocaleString('en')} commits</text>`,
    ...lines,
  ].join('\n')
}

function shown(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(2)
}
