import { z } from 'zod';

export const Product = z.object({
  sku: z.string().min(1),
  name: z.string(),
  cents: z.number().int().nonnegative(),
});

export type Product = z.infer<typeof Product>;

export const products: readonly Product[] = z.array(Product).parse([
  { sku: 'tea', name: 'Green tea, 100 g', cents: 790 },
  { sku: 'pot', name: 'Cast-iron teapot', cents: 4900 },
]);

export function findProduct(sku: string): Product | undefined {
  return products.find((product) => product.sku === sku);
}
