import { crc32 } from '@node-rs/crc32';
import { createEnv } from '@t3-oss/env-core';
console.log(crc32('hello'), typeof createEnv);
