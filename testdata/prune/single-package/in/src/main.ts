import { createServer } from 'node:http'
import { createRequire } from 'node:module'

const isNumber: (value: unknown) => boolean = createRequire(import.meta.url)('is-number')
createServer((_, answer) => answer.end(`patched: ${isNumber('patched')}`)).listen(3000)
