import { readFileSync } from 'node:fs';
import { products } from '@shop/catalog';
import { createEvent } from '@shop/events';
import { fastify, type FastifyInstance } from 'fastify';
import { priceOrder } from './orders.js';
import { loadOrderSchema } from './schema.js';

// Relative to the app, not to the working directory; right from src and dist alike.
const homePage = new URL('../public/index.html', import.meta.url);

export function buildApp(): FastifyInstance {
  const isOrder = loadOrderSchema();
  const app = fastify({ logger: true });

  app.get('/', (_request, reply) => reply.type('text/html').send(readFileSync(homePage)));

  app.get('/health', () => ({ status: 'ok', schema: isOrder.hash }));

  app.get('/products', () => products);

  app.post('/orders', (request, reply) => {
    const order = request.body;
    if (!isOrder(order)) return reply.code(400).send({ errors: isOrder.errors });
    try {
      const placed = createEvent('order.placed', { ...order, cents: priceOrder(order) });
      return reply.code(201).send(placed);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return reply.code(422).send({ errors: [{ message: error.message }] });
    }
  });

  return app;
}
