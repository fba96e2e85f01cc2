import { expect, test } from 'vitest';
import { priceOrder } from '../src/orders.js';

test('adds up the lines', () => {
  const lines = [
    { sku: 'tea', quantity: 2 },
    { sku: 'pot', quantity: 1 },
  ];
  expect(priceOrder({ customer: 'ada', lines })).toBe(2 * 790 + 4900);
});

test('refuses a product we do not sell', () => {
  const lines = [{ sku: 'coffee', quantity: 1 }];
  expect(() => priceOrder({ customer: 'ada', lines })).toThrow('no such product: coffee');
});
