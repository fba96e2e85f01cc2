// Compiles the order schema to a standalone validator and writes it beside the
// real ajv package, as Prisma writes its client beside @prisma/client: there
// the generated code can require ajv's runtime helpers whatever the layout.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { Ajv } from 'ajv';
import standalone from 'ajv/dist/standalone/index.js';

const require = createRequire(import.meta.url);
const source = readFileSync(new URL('../schema/order.schema.json', import.meta.url), 'utf8');
const hash = createHash('sha256').update(source).digest('hex').slice(0, 12);

const ajv = new Ajv({ code: { source: true } });
const validator = standalone.default(ajv, ajv.compile(JSON.parse(source)));

// <root>/node_modules/.pnpm/ajv@8.x.y/node_modules/ajv
const ajvDir = path.dirname(realpathSync(require.resolve('ajv/package.json')));
const outDir = path.join(ajvDir, '..', '.shop', 'schema');

mkdirSync(outDir, { recursive: true });
writeFileSync(path.join(outDir, 'package.json'), '{ "name": ".shop/schema", "main": "index.js" }\n');
writeFileSync(path.join(outDir, 'index.js'), `${validator};\nmodule.exports.hash = "${hash}";\n`);

console.log(`generated ${path.relative(process.cwd(), outDir)} (${hash})`);
