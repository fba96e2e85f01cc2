// Makes the npm packages of a release: node npm/make.mjs DIRECTORY PLATFORM=PROGRAM...
//
// `slimbuild` holds the launcher. `@slimbuild/PLATFORM` holds the program of one platform. All come from
// the templates below, with the version of Cargo.toml.
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PLATFORMS = ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64', 'win32-x64'];

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..');

function fail(message) {
  console.error(`error: ${message}`);
  process.exit(2);
}

/** A value of the `[package]` table of Cargo.toml. */
function fromCargo(key) {
  const table = readFileSync(join(root, 'Cargo.toml'), 'utf8').split(/^\[/m)[1];
  const found = new RegExp(`^${key} = "(.*)"$`, 'm').exec(table);
  return found?.[1] ?? fail(`Cargo.toml has no \`${key}\``);
}

const [directory, ...programs] = process.argv.slice(2);
if (!directory || programs.length === 0) {
  fail('write `node npm/make.mjs DIRECTORY PLATFORM=PROGRAM...`');
}

const common = {
  version: fromCargo('version'),
  description: fromCargo('description'),
  license: fromCargo('license'),
  publishConfig: { access: 'public' },
};

function write(name, manifest, files) {
  const package_ = join(directory, name);
  mkdirSync(join(package_, 'bin'), { recursive: true });
  const text = JSON.stringify({ name, ...common, ...manifest }, null, 2);
  writeFileSync(join(package_, 'package.json'), `${text}\n`);
  copyFileSync(join(root, 'LICENSE'), join(package_, 'LICENSE'));
  for (const [to, from] of Object.entries(files)) {
    copyFileSync(from, join(package_, to));
    chmodSync(join(package_, to), 0o755);
  }
  return package_;
}

const optionalDependencies = {};
for (const given of programs) {
  const [platform, program] = given.split('=');
  if (!PLATFORMS.includes(platform)) {
    fail(`\`${platform}\` is no platform: ${PLATFORMS.join(', ')}`);
  }
  if (!program || !existsSync(program)) {
    fail(`there is no program \`${program ?? ''}\` for ${platform}`);
  }
  const [os, cpu] = platform.split('-');
  const file = os === 'win32' ? 'bin/slimbuild.exe' : 'bin/slimbuild';
  const name = `@slimbuild/${platform}`;
  // Yarn keeps packages zipped, and a program in a zip cannot start.
  console.log(write(name, { os: [os], cpu: [cpu], preferUnplugged: true }, { [file]: program }));
  optionalDependencies[name] = common.version;
}
const launcher = {
  bin: { slimbuild: 'bin/slimbuild.js' },
  type: 'commonjs',
  engines: { node: '>=16' },
  keywords: ['docker', 'pnpm', 'turborepo', 'monorepo', 'image'],
  optionalDependencies,
};
console.log(write('slimbuild', launcher, { 'bin/slimbuild.js': join(here, 'launcher.js'), 'README.md': join(root, 'README.md') }));
