import { eventTable } from './market-event.js'

export const QUOTES = eventTable('quotes', [
  ['bid_price', 'decimal', 'required', 'best bid, exact; 0 when that side is empty'],
  ['bid_size', 'decimal', 'optional', 'size at the best bid, exact'],
  ['ask_price', 'decimal', 'required', 'best ask, exact; 0 when that side is empty'],
  ['ask_size', 'decimal', 'optional', 'size at the best ask, exact'],
  ['venue', 'string', 'optional', 'where the quote stands'],
  ['conditions', 'string', 'optional', "the venue's quote conditions"],
])
