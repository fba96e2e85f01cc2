//! A workspace with a Nest server as teams have one: some 700 packages from npm, and a package of
//! its own. It is written here; pnpm makes the lockfile, so the packages are those of today.

use std::process::Command;

use fs_err as fs;

use crate::Result;
use crate::tree::Tree;

const FILES: [(&str, &str); 11] = [
    (
        "package.json",
        r#"{
  "name": "shelf", "private": true, "packageManager": "pnpm@10.34.8",
  "devDependencies": { "turbo": "^2.5.0", "typescript": "^5.9.0" }
}"#,
    ),
    (
        "pnpm-workspace.yaml",
        "packages: ['apps/*', 'packages/*']\n",
    ),
    (
        "turbo.json",
        r#"{ "tasks": { "build": { "dependsOn": ["^build"], "outputs": ["dist/**"] } } }"#,
    ),
    (
        "packages/common/package.json",
        r#"{
  "name": "@shelf/common", "version": "1.0.0", "main": "dist/index.js", "types": "dist/index.d.ts",
  "scripts": { "build": "tsc -p tsconfig.json" },
  "dependencies": { "zod": "^3.25.0" },
  "devDependencies": { "typescript": "^5.9.0" }
}"#,
    ),
    ("packages/common/tsconfig.json", TSCONFIG),
    (
        "packages/common/src/index.ts",
        "import { z } from 'zod';

export const Book = z.object({ title: z.string().min(1), pages: z.number().int().positive() });
export type Book = z.infer<typeof Book>;
",
    ),
    (
        "apps/api/package.json",
        r#"{
  "name": "@shelf/api", "version": "1.0.0",
  "scripts": { "build": "nest build", "start": "node dist/main.js" },
  "dependencies": {
    "@aws-sdk/client-s3": "^3.800.0", "@nestjs/common": "^11.1.0", "@nestjs/config": "^4.0.0", "@nestjs/core": "^11.1.0",
    "@nestjs/jwt": "^11.0.0", "@nestjs/passport": "^11.0.0", "@nestjs/platform-express": "^11.1.0", "@nestjs/schedule": "^6.0.0",
    "@nestjs/swagger": "^11.2.0", "@nestjs/terminus": "^11.0.0", "@nestjs/throttler": "^6.4.0", "@shelf/common": "workspace:*",
    "axios": "^1.9.0", "bullmq": "^5.50.0", "class-transformer": "^0.5.1", "class-validator": "^0.14.2", "helmet": "^8.1.0",
    "ioredis": "^5.6.0", "nestjs-pino": "^4.4.0", "passport": "^0.7.0", "passport-jwt": "^4.0.1", "pino-http": "^10.4.0",
    "reflect-metadata": "^0.2.2", "rxjs": "^7.8.2"
  },
  "devDependencies": {
    "@nestjs/cli": "^11.0.0", "@nestjs/schematics": "^11.0.0", "@nestjs/testing": "^11.1.0", "@types/express": "^5.0.0",
    "@types/jest": "^29.5.14", "@types/node": "^22.15.0", "eslint": "^9.27.0", "jest": "^29.7.0", "prettier": "^3.5.0",
    "supertest": "^7.1.0", "ts-jest": "^29.3.0", "typescript": "^5.9.0"
  }
}"#,
    ),
    ("apps/api/tsconfig.json", TSCONFIG),
    (
        "apps/api/nest-cli.json",
        r#"{ "collection": "@nestjs/schematics", "sourceRoot": "src" }"#,
    ),
    (
        "apps/api/src/app.module.ts",
        "import { Book } from '@shelf/common';
import { Body, Controller, Get, Module, Post } from '@nestjs/common';
import { ConfigModule } from '@nestjs/config';
import { JwtModule } from '@nestjs/jwt';
import { ScheduleModule } from '@nestjs/schedule';
import { ThrottlerModule } from '@nestjs/throttler';
import { LoggerModule } from 'nestjs-pino';
import { S3Client } from '@aws-sdk/client-s3';

const storage = new S3Client({ region: 'eu-central-1' });

@Controller()
class Shelf {
  @Get('health')
  health() {
    return { status: 'ok', storage: typeof storage.send };
  }

  @Post('books')
  add(@Body() body: unknown) {
    return Book.parse(body);
  }
}

@Module({
  imports: [
    ConfigModule.forRoot(),
    JwtModule.register({ secret: 'x' }),
    LoggerModule.forRoot(),
    ScheduleModule.forRoot(),
    ThrottlerModule.forRoot([{ ttl: 60000, limit: 100 }]),
  ],
  controllers: [Shelf],
})
export class AppModule {}
",
    ),
    (
        "apps/api/src/main.ts",
        "import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import helmet from 'helmet';
import { AppModule } from './app.module';

async function main() {
  const app = await NestFactory.create(AppModule);
  app.use(helmet());
  SwaggerModule.setup('docs', app, () => SwaggerModule.createDocument(app, new DocumentBuilder().build()));
  app.enableShutdownHooks();
  await app.listen(3000, '0.0.0.0');
}
void main();
",
    ),
];

const TSCONFIG: &str = r#"{
  "compilerOptions": {
    "target": "es2022", "module": "commonjs", "declaration": true, "sourceMap": true, "rootDir": "src", "outDir": "dist", "strict": true,
    "skipLibCheck": true, "experimentalDecorators": true, "emitDecoratorMetadata": true
  },
  "include": ["src"]
}"#;

/// Writes it, and has pnpm make the lockfile.
pub(super) fn workspace() -> Result<Tree> {
    let tree = Tree::empty()?;
    for (name, text) in FILES {
        let path = tree.path().join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)?;
    }
    let locked = Command::new("npx")
        .args(["--yes", "pnpm@10.34.8", "install", "--lockfile-only"])
        .current_dir(tree.path())
        .output()?;
    if !locked.status.success() {
        let words = String::from_utf8_lossy(&locked.stdout);
        return Err(format!("pnpm makes no lockfile: {words}").into());
    }
    Ok(tree)
}
