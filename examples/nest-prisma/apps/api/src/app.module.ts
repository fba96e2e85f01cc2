import { Module } from '@nestjs/common';

import { DatabaseService } from './database.service';
import { ProductsController } from './products.controller';

@Module({ controllers: [ProductsController], providers: [DatabaseService] })
export class AppModule {}
