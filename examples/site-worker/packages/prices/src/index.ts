/** A price as people write it. */
export function price(cents: number): string {
  return `${(cents / 100).toFixed(2)} €`;
}
