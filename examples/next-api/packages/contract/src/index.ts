/** What the API sells, and the web app shows. */
export interface Product {
  name: string;
  cents: number;
}

/** Where the API lists its products. */
export const PRODUCTS = '/products';

/** A price as people write it. */
export function price({ cents }: Product): string {
  return `${(cents / 100).toFixed(2)} €`;
}
