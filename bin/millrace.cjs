#!/usr/bin/env node
// Starts the command line. CommonJS, because some things must come before any module is loaded: the check of Node's version, the
// size of libuv's thread pool, which is fixed at first use. Each query of the analytics engine holds one of its threads.
'use strict'

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`Millrace needs Node 20.19 or newer, this is ${process.versions.node}`)
  console.error('fix: install a current Node from https://nodejs.org, or: npx node@22 <your command>')
  process.exit(1)
}

const cores = require('node:os').availableParallelism()
if (!process.env.UV_THREADPOOL_SIZE) process.env.UV_THREADPOOL_SIZE = String(Math.max(8, cores + 4))

// Keeps what V8 compiled between two commands (Node 22.1 and newer).
require('node:module').enableCompileCache?.()

import('../dist/cli/main.js').catch((error) => {
  const unbuilt = error.code === 'ERR_MODULE_NOT_FOUND' && error.message.includes('dist/cli/main.js')
  console.error(unbuilt ? 'Millrace is not compiled\nfix: npm run build' : error)
  process.exit(1)
})
