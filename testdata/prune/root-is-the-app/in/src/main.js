import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { core } from '@around/core'
import isOdd from 'is-odd'
import { generated } from './generated.js'

const text = readFileSync('data/greeting.txt', 'utf8').trim()
createServer((_, answer) => answer.end([text, core, generated, isOdd(3)].join(' '))).listen(3000)
