import { findProduct } from '@shop/catalog';

export interface Order {
  customer: string;
  lines: { sku: string; quantity: number }[];
}

/** The price of the whole order in cents; throws on a product we do not sell. */
export function priceOrder(order: Order): number {
  return order.lines.reduce((total, { sku, quantity }) => {
    const product = findProduct(sku);
    if (!product) throw new RangeError(`no such product: ${sku}`);
    return total + product.cents * quantity;
  }, 0);
}
