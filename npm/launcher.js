#!/usr/bin/env node
// Starts the program of this platform. Arguments, streams, signals and the exit code are passed on.
'use strict';

const { spawn } = require('node:child_process');

const platform = `${process.platform}-${process.arch}`;
const name = `@slimbuild/${platform}`;

function program() {
  const file = process.platform === 'win32' ? 'slimbuild.exe' : 'slimbuild';
  try {
    return require.resolve(`${name}/bin/${file}`);
  } catch {
    const known = Object.keys(require('../package.json').optionalDependencies);
    console.error(
      known.includes(name)
        ? `error: the package ${name} is not installed\n\n` +
            'hint: it is an optional dependency of slimbuild. Install again without `--omit=optional` (npm) or `--no-optional` (pnpm, Yarn), ' +
            'and on this machine: modules that were copied from another operating system lack it.'
        : `error: there is no slimbuild for ${platform}\n\n` +
            `hint: there is one for ${known.map((other) => other.replace('@slimbuild/', '')).join(', ')}`,
    );
    process.exit(1);
  }
}

const child = spawn(program(), process.argv.slice(2), { stdio: 'inherit' });

// On a terminal, Ctrl-C reaches the program by itself. A second signal would end it at once.
const onTerminal = [process.stdin, process.stdout, process.stderr].some((stream) => stream.isTTY);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    if (signal !== 'SIGINT' || !onTerminal) {
      child.kill(signal);
    }
  });
}

child.on('error', (error) => {
  console.error(`error: cannot start slimbuild\n  caused by: ${error.message}`);
  process.exit(1);
});
child.on('exit', (code, signal) => {
  if (signal === null) {
    process.exit(code);
  }
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
});
