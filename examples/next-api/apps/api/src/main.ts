import { PRODUCTS, type Product } from '@example/contract';
import { serve } from '@hono/node-server';
import { Hono } from 'hono';

const products: Product[] = [
  { name: 'coffee', cents: 690 },
  { name: 'tea', cents: 450 },
];

const app = new Hono();
app.get('/health', (c) => c.json({ status: 'ok' }));
app.get(PRODUCTS, (c) => c.json(products));

const server = serve({ fetch: app.fetch, port: Number(process.env.PORT ?? 3001) });
process.on('SIGTERM', () => server.close());
