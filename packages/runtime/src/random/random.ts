/** Unpredictable bytes; suitable for keys, nonces and ids. */
export interface Random {
  bytes(length: number): Uint8Array
}
