/** A random id of 128 bits. `crypto.randomUUID` is kept from pages that came without TLS, as on a home network. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
