import { eventTable } from './market-event.js'

export const TRADES = eventTable('trades', [
  ['trade_id', 'string', 'optional', "the exchange's name of the trade"],
  ['price', 'decimal', 'required', 'price, exact'],
  ['size', 'decimal', 'required', 'quantity, exact'],
  ['side', 'string', 'required', "the aggressor's side: buy, sell or unknown"],
  ['venue', 'string', 'optional', 'where the trade was executed'],
  ['conditions', 'string', 'optional', "the venue's sale conditions"],
])
