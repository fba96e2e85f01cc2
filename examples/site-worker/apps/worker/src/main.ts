import { price } from '@example/prices';
import { Cron } from 'croner';

let sold = 0;
const job = new Cron('* * * * * *', () => {
  sold += 450;
  console.log(`sold for ${price(sold)}`);
});

// `docker stop` sends SIGTERM. With no job, nothing keeps the process.
process.once('SIGTERM', () => job.stop());
