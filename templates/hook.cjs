// Loaded into every node process of a trial start, before the app (--require). It writes a line of JSON into the trial's file for each thing that the
// trial must know: a server listens, an error ended the process, a file below the app was not found. The app does not notice.
'use strict';
const { appendFileSync } = require('node:fs');
const fs = require('node:fs');
const net = require('node:net');
const Module = require('node:module');
const { resolve: absolute } = require('node:path');

const file = process.env.SLIMBUILD_TRIAL;
const root = process.env.SLIMBUILD_TRIAL_ROOT;
const most = 200;
let count = 0;

function note(what) {
  if (count >= most) return;
  count += 1;
  try { appendFileSync(file, `${JSON.stringify({ pid: process.pid, ...what })}\n`); } catch { /* the app matters more */ }
}

const { listen } = net.Server.prototype;
net.Server.prototype.listen = function (...args) {
  this.once('listening', () => {
    const address = this.address();
    if (address !== null && typeof address === 'object') note({ listens: address.port, at: address.address });
  });
  return listen.apply(this, args);
};

/** Where a path leads from the directory that the app is in now. */
function whole(path) {
  try { return absolute(path); } catch { return path; }
}

process.on('uncaughtExceptionMonitor', (error) => {
  const { name, message, code, syscall, path, stack, requireStack } = error instanceof Error ? error : { message: String(error) };
  // A program's name is looked for in PATH: it is no path.
  const file = typeof path === 'string' && !`${syscall}`.startsWith('spawn') ? whole(path) : path;
  note({ died: { name, message, code, syscall, path: file, stack, requireStack } });
});

// A missing file whose error is caught is no fault. It explains why an app ends by itself.
const seen = new Set();
function missed(error, path) {
  if (error === null || typeof error !== 'object' || !['ENOENT', 'EACCES', 'EROFS'].includes(error.code)) return;
  const said = typeof error.path === 'string' ? error.path : String(path);
  const name = whole(said);
  const key = `${error.code} ${name}`;
  if (!name.startsWith(`${root}/`) || name.includes('/node_modules/') || seen.has(key)) return;
  seen.add(key);
  note({ missed: { code: error.code, syscall: error.syscall, path: name, said } });
}

for (const name of ['readFile', 'open', 'readdir', 'mkdir', 'writeFile', 'opendir']) {
  const sync = fs[`${name}Sync`];
  fs[`${name}Sync`] = function (...args) {
    try { return sync.apply(this, args); } catch (error) { missed(error, args[0]); throw error; }
  };
  const promise = fs.promises[name];
  if (promise) {
    fs.promises[name] = async function (...args) {
      try { return await promise.apply(this, args); } catch (error) { missed(error, args[0]); throw error; }
    };
  }
  const callback = fs[name];
  fs[name] = function (...args) {
    const done = args.at(-1);
    if (typeof done !== 'function') return callback.apply(this, args);
    return callback.call(this, ...args.slice(0, -1), function (error, ...rest) {
      missed(error, args[0]);
      return done.call(this, error, ...rest);
    });
  };
}

// A library resolves a module that is named by a string. It catches node's error and throws its own.
const resolve = Module._resolveFilename;
Module._resolveFilename = function (request, ...rest) {
  try { return resolve.call(this, request, ...rest); } catch (error) {
    if (error?.code === 'MODULE_NOT_FOUND' && typeof request === 'string' && !seen.has(request)) {
      seen.add(request);
      note({ sought: request });
    }
    throw error;
  }
};
Module.syncBuiltinESMExports();
