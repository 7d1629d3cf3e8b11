import winston from 'winston'

/** Structured logging: a message and fields, named as in the API (`rows_read`). Secrets never go into the fields. */
export interface Logger {
  debug(message: string, fields?: object): void
  info(message: string, fields?: object): void
  warn(message: string, fields?: object): void
  error(message: string, fields?: object): void
  /** A logger that adds these fields to each line. */
  child(fields: object): Logger
}

export interface LoggingOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent'
  /** JSON lines for machines, one readable line for people. */
  readonly format: 'json' | 'text'
}

/** Logs go to standard error; standard output belongs to a command's answer. */
export function createLogger(options: LoggingOptions): Logger {
  const { combine, timestamp, json, printf, errors } = winston.format
  const text = printf(({ timestamp: time, level, message, stack, ...fields }) => {
    const extra = Object.entries(fields).map(
      ([name, value]) => ` ${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
    )
    return `${String(time)} ${level.padEnd(5)} ${String(message)}${extra.join('')}${stack ? `\n${String(stack)}` : ''}`
  })
  return winston.createLogger({
    level: options.level === 'silent' ? 'error' : options.level,
    silent: options.level === 'silent',
    format: combine(errors({ stack: true }), timestamp(), options.format === 'json' ? json() : text),
    transports: [new winston.transports.Stream({ stream: process.stderr })],
  })
}
