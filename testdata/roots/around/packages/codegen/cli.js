#!/usr/bin/env node
import { writeFileSync } from 'node:fs'
import { value } from './dist/value.js'

writeFileSync('src/generated.js', `export const generated = ${value}\n`)
