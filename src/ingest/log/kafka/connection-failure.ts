import type { KafkaConnection } from './client.js'

/** What Node says of a broker's certificate that it does not trust. https://nodejs.org/api/tls.html#x509-certificate-error-codes */
const UNTRUSTED = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
])
/** A connection that is closed before TLS is agreed on has this code. */
const RESET = 'ECONNRESET'
/** The broker has closed a connection instead of answering. */
const CLOSED = 'KafkaJSConnectionClosedError'

/** Why brokers were not reached, and which setting may be amiss: a broker that is spoken to wrongly only hangs up. */
export function explainFailure(error: unknown, { tls, sasl }: KafkaConnection): string {
  const last = lastCause(error)
  if (!(last instanceof Error)) return String(last)
  const hint = hintOf(last, tls, sasl)
  return hint === null ? last.message : `${last.message}: ${hint}`
}

function hintOf(error: Error, tls: KafkaConnection['tls'], sasl: KafkaConnection['sasl']): string | null {
  const code = 'code' in error ? String(error.code) : ''
  if (tls && UNTRUSTED.has(code)) {
    return tls.caFile === ''
      ? 'the certificate of the broker is signed by an authority that Node does not know; kafka.tls.caFile names the PEM file of one'
      : `the certificate of the broker is signed by no authority in ${tls.caFile} (kafka.tls.caFile)`
  }
  if (tls && code === RESET) return 'the broker may not speak TLS there (kafka.tls.enabled, kafka.brokers)'
  if (error.name !== CLOSED) return null
  const amiss = [
    ...(tls ? [] : ['TLS (kafka.tls.enabled)']),
    ...(sasl ? [] : ['a login (kafka.sasl.mechanism)']),
  ]
  return amiss.length === 0 ? null : `the broker may ask for ${amiss.join(' or ')}`
}

/** kafkajs wraps why it gave up. */
function lastCause(error: unknown): unknown {
  return error instanceof Error && error.cause instanceof Error ? lastCause(error.cause) : error
}
