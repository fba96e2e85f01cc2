import { PrismaLibSql } from '@prisma/adapter-libsql';

import { PrismaClient } from './generated/client';

export { PrismaClient } from './generated/client';
export type { Product } from './generated/client';

/** Connects to the database of an address such as `file:/tmp/shop.db`. */
export function connect(url: string): PrismaClient {
  return new PrismaClient({ adapter: new PrismaLibSql({ url }) });
}

/**
 * Makes the table, and fills it if it is empty. A file of SQLite begins empty in each container. A
 * database server gets its tables from `prisma migrate deploy` instead.
 */
export async function prepare(client: PrismaClient): Promise<void> {
  await client.$executeRawUnsafe(
    'CREATE TABLE IF NOT EXISTS "Product" ("id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, "name" TEXT NOT NULL UNIQUE, "cents" INTEGER NOT NULL)',
  );
  if ((await client.product.count()) === 0) {
    await client.product.createMany({
      data: [
        { name: 'tea', cents: 450 },
        { name: 'coffee', cents: 690 },
      ],
    });
  }
}
