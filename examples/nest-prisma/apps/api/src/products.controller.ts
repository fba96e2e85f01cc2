import type { Product } from '@example/database';
import { Controller, Get } from '@nestjs/common';

import { DatabaseService } from './database.service';

@Controller()
export class ProductsController {
  constructor(private readonly database: DatabaseService) {}

  @Get('health')
  health(): { status: string } {
    return { status: 'ok' };
  }

  @Get('products')
  products(): Promise<Product[]> {
    return this.database.client.product.findMany({ orderBy: { name: 'asc' } });
  }
}
