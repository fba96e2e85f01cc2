import { connect, prepare } from '@example/database';
import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';

@Injectable()
export class DatabaseService implements OnModuleInit, OnModuleDestroy {
  readonly client = connect(process.env.DATABASE_URL ?? 'file:/tmp/shop.db');

  async onModuleInit(): Promise<void> {
    await prepare(this.client);
  }

  async onModuleDestroy(): Promise<void> {
    await this.client.$disconnect();
  }
}
