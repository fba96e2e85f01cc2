import { cpSync } from 'node:fs'
import isEven from 'is-even'

if (isEven(2)) cpSync('src', 'dist', { recursive: true })
