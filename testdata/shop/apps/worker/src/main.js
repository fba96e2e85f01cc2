import { createServer } from 'node:http';
import { createEvent } from '@shop/events';
import { Cron } from 'croner';

let ticks = 0;

const job = new Cron('*/5 * * * * *', () => {
  ticks += 1;
  console.log(JSON.stringify(createEvent('worker.tick', { ticks })));
});

const server = createServer((request, response) => {
  const found = request.method === 'GET' && request.url === '/health';
  response.writeHead(found ? 200 : 404, { 'content-type': 'application/json' });
  response.end(JSON.stringify(found ? { status: 'ok', ticks } : { error: 'not found' }));
});

server.listen(Number(process.env.PORT ?? 3001), '0.0.0.0');

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    job.stop();
    server.close();
  });
}
