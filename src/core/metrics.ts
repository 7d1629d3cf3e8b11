import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** One value of a metric, told apart from its others by labels. */
export interface Sample {
  readonly labels?: Readonly<Record<string, string>>
  readonly value: number
}

/** What a metric is called and means. Base units in the name, as Prometheus wants: `ticklake_lag_seconds`. */
export interface MetricName<Label extends string = string> {
  readonly name: string
  readonly help: string
  readonly labels?: readonly Label[]
}

/** Durations that are counted, added up and sorted into buckets. */
export interface Durations<Label extends string> {
  observe(labels: Readonly<Record<Label, string>>, durationMs: number): void
}

/** Upper bounds in seconds: from an answer out of memory to one that somebody gives up on. */
const DURATION_BUCKETS_S = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/**
 * The numbers of this process in Prometheus' text format. Whoever counts keeps plain numbers of his own; they are read
 * when somebody scrapes, so that a number costs nothing while nobody looks, and all of a scrape are of one moment.
 */
export class Metrics {
  readonly #registry = new Registry()

  /** Beside what is added: CPU, memory, heap, garbage collection and event loop, by their usual names. */
  constructor() {
    collectDefaultMetrics({ register: this.#registry })
  }

  /** What only grows while the process runs; its name ends in `_total`. */
  counter(metric: MetricName, read: () => Iterable<Sample>): void {
    new Counter({
      ...this.#configuration(metric),
      collect() {
        this.reset()
        for (const { labels, value } of read()) this.inc(labels ?? {}, value)
      },
    })
  }

  /** What goes up and down. A sample that is not there now has no line. */
  gauge(metric: MetricName, read: () => Iterable<Sample>): void {
    new Gauge({
      ...this.#configuration(metric),
      collect() {
        this.reset()
        for (const { labels, value } of read()) this.set(labels ?? {}, value)
      },
    })
  }

  durations<Label extends string>(metric: MetricName<Label>): Durations<Label> {
    const histogram = new Histogram({ ...this.#configuration(metric), buckets: DURATION_BUCKETS_S })
    return { observe: (labels, durationMs) => histogram.observe({ ...labels }, durationMs / 1000) }
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** Everything, as of now. */
  text(): Promise<string> {
    return this.#registry.metrics()
  }

  #configuration({ name, help, labels = [] }: MetricName) {
    return { name, help, labelNames: [...labels], registers: [this.#registry] }
  }
}
