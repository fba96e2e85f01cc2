import { realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { ValidateFunction } from 'ajv';
import type { Order } from './orders.js';

type OrderSchema = ValidateFunction<Order> & { hash: string };

/** Loads the validator that scripts/generate.mjs writes beside the real ajv. */
export function loadOrderSchema(): OrderSchema {
  const require = createRequire(import.meta.url);
  const ajv = realpathSync(require.resolve('ajv/package.json'));
  try {
    return createRequire(ajv)('.shop/schema');
  } catch (cause) {
    throw new Error(
      `The generated package .shop/schema is missing beside ${ajv}: ` +
        'run "pnpm --filter @shop/server build" first.',
      { cause },
    );
  }
}
