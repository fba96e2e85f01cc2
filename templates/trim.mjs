// Removes from production modules what an app does not need when it runs, for slimbuild: node trim.mjs [--keep-maps] DIRECTORY...
// The same for what the build of a workspace package wrote into OUT, at the same path: node trim.mjs [--keep-maps] --outputs=OUT PACKAGE...
// With --list it removes nothing: it reads directories of packages from standard input and writes the paths to leave out to standard output, both
// separated by NUL.
// It removes type declarations, source maps, incremental build states, well-known documents, and the tests and documents of packages. It keeps
// licences, files that a manifest names for anything but types, and every doubtful file. With --machine it removes machine code for other systems
// and processors than this one, and with --machine=glibc also code that needs another C library: nothing here can load it, whoever names it. With --databases=a,b it removes what
// Prisma's client has to compile queries for others.
import { closeSync, existsSync, lstatSync, openSync, readFileSync, readSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';

const DECLARATION = /\.d\.(?:[cm]?ts|[\w-]+\.ts)$/;
const MAP = /\.(?:[cm]?js|css|[cm]?ts)\.map$/;
const DOCUMENT = /^(?:readme|changelog|changes|history|contributing|upgrading|migration|code_of_conduct|security)(?:[-_.][\w-]+)*\.(?:md|markdown)$/i;
const DIRECTORIES = new Set(['test', 'tests', '__tests__', 'docs', 'doc', 'example', 'examples', '.github']);
/** Packages that read the declarations of other packages at run time. */
const COMPILERS = new Set(['typescript', 'ts-morph', '@ts-morph/common', 'ts-node', '@microsoft/api-extractor', 'typedoc', '@typescript/native-preview']);
const CODE = /\.(?:[cm]?js|[cm]?ts|jsx|tsx|json|node)$/;

const args = process.argv.slice(2);
const keepMaps = args.includes('--keep-maps');
const machine = args.find((arg) => arg === '--machine' || arg.startsWith('--machine='));
const databases = args.find((arg) => arg.startsWith('--databases='))?.slice('--databases='.length).split(',');
const listed = args.includes('--list') ? [] : undefined;
const installed = listed && readFileSync(0, 'utf8').split('\0').filter((dir) => dir !== '');
const saved = { files: 0, bytes: 0 };

/** The text of a file. Empty for a broken link, and for a directory with a file's name, such as `node_modules/big.js`. */
const text = (path) => (statSync(path, { throwIfNoEntry: false })?.isFile() ? readFileSync(path, 'latin1') : '');
const list = (dir) => { try { return readdirSync(dir, { withFileTypes: true }); } catch { return []; } };

/** The packages in a node_modules directory, without links to packages elsewhere. */
function* packages(modules) {
  for (const entry of list(modules)) {
    if (!entry.isDirectory()) continue;
    const dir = join(modules, entry.name);
    if (entry.name === '.pnpm') for (const one of list(dir)) yield* packages(join(dir, one.name, 'node_modules'));
    else if (entry.name.startsWith('@')) { for (const one of list(dir)) if (one.isDirectory()) yield join(dir, one.name); }
    else if (!entry.name.startsWith('.')) yield dir;
  }
}

/** Everything that a manifest names, except types. */
function named(value, found) {
  if (typeof value === 'string') found.push(value.replace(/^\.\//, ''));
  else if (Array.isArray(value)) value.forEach((one) => named(one, found));
  else if (value && typeof value === 'object') {
    for (const [key, one] of Object.entries(value)) if (key !== 'types' && !key.startsWith('types@')) named(one, found);
  }
  return found;
}

function remove(path) {
  if (listed) { listed.push(path); return; }
  const { size } = lstatSync(path);
  rmSync(path);
  saved.files += 1;
  saved.bytes += size;
}

function removeAll(dir) {
  for (const entry of list(dir)) entry.isDirectory() ? removeAll(join(dir, entry.name)) : remove(join(dir, entry.name));
  if (!listed) rmSync(dir, { recursive: true });
}

/** Whether code of a package, outside of this directory, seems to name the directory. */
function mentions(dir, name, skipped) {
  const word = new RegExp(`["'\`/]${name.replace('.', '\\.')}["'\`/]`);
  return list(dir).some((entry) => {
    const path = join(dir, entry.name);
    if (path === skipped || entry.name === 'node_modules') return false;
    if (entry.isDirectory()) return mentions(path, name, skipped);
    return CODE.test(entry.name) && !DECLARATION.test(entry.name) && word.test(text(path));
  });
}

/** Files of `@prisma/client`: each is for one database. The generated code loads those of its own. */
const COMPILER = /^runtime\/query_(?:compiler|engine)(?:_[a-z]+)*_bg\.([a-z]+)\./;
const LIBRARY = /\.(?:node|dylib|so(?:\.\d+)*)$/;
/** ELF's numbers of processors, for node's names. */
const PROCESSORS = { x64: 62, arm64: 183, arm: 40, ia32: 3, ppc64: 21, riscv64: 243, s390x: 22, loong64: 258 };

/** The libraries that an ELF file of 64 bits, little end first, names as needed. */
function needed(read) {
  const number = (bytes, at) => Number(bytes.readBigUInt64LE(at));
  const head = read(0, 64);
  const parts = read(number(head, 32), head.readUInt16LE(56) * head.readUInt16LE(54));
  const segments = [];
  for (let at = 0; at < parts.length; at += head.readUInt16LE(54)) {
    segments.push({ type: parts.readUInt32LE(at), offset: number(parts, at + 8), address: number(parts, at + 16), size: number(parts, at + 32) });
  }
  const dynamic = segments.find(({ type }) => type === 2);
  if (!dynamic) return [];
  const table = read(dynamic.offset, Math.min(dynamic.size, 1 << 16));
  const entries = [];
  for (let at = 0; at + 16 <= table.length; at += 16) entries.push([number(table, at), number(table, at + 8)]);
  const value = (tag) => entries.find(([found]) => found === tag)?.[1];
  const address = value(5);
  const holder = segments.find(({ type, address: start, size }) => type === 1 && address >= start && address < start + size);
  const names = read(address - holder.address + holder.offset, Math.min(value(10), 1 << 24));
  return entries.filter(([tag]) => tag === 1).map(([, at]) => names.toString('latin1', at, names.indexOf(0, at)));
}

/** Whether a file is machine code that cannot be loaded here. A file that cannot be read as such is not. */
function foreign(path) {
  let file;
  try {
    file = openSync(path, 'r');
    const read = (at, length) => {
      const bytes = Buffer.alloc(length);
      if (readSync(file, bytes, 0, length, at) < length) throw new Error('it ends early');
      return bytes;
    };
    const head = read(0, 64);
    const magic = head.readUInt32BE(0);
    // Windows and macOS, the latter also with code for several processors.
    if (head.toString('latin1', 0, 2) === 'MZ' || [0xcffaedfe, 0xcefaedfe, 0xfeedfacf, 0xfeedface, 0xcafebabe].includes(magic)) return true;
    if (magic !== 0x7f454c46) return false;
    const own = PROCESSORS[process.arch];
    const processor = head[5] === 1 ? head.readUInt16LE(18) : head.readUInt16BE(18);
    if (own === undefined || processor !== own) return own !== undefined;
    if (machine !== '--machine=glibc' || head[4] !== 2 || head[5] !== 1) return false;
    // musl's own name, what it is called elsewhere, which is Android's too; glibc is `libc.so.6`.
    return needed(read).some((name) => name.startsWith('libc.musl-') || name === 'libc.so');
  } catch { return false; } finally { if (file !== undefined) closeSync(file); }
}

/** What node-gyp leaves beside a compiled binary: objects and generated sources. */
const INTERMEDIATE = /\/(?:Release|Debug)\/(?:obj|obj\.target|\.deps)$/;

function trim(root, declarationsStay) {
  let own;
  try { own = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')); } catch { return; }
  const names = named([own.main, own.module, own.browser, own.bin, own.exports, own.imports, own.style, own.sass, own.prisma], []);
  const published = Array.isArray(own.files) ? named(own.files, []) : [];
  const patterns = names.filter((name) => name.includes('*')).map((name) => name.split('*'));
  const isNamed = (path) => names.includes(path)
    || patterns.some(([start, end]) => end !== '' && path.startsWith(start) && path.endsWith(end));
  const open = patterns.some(([start]) => start === '');
  const below = (name, dir) => name === dir || name.startsWith(`${dir}/`);
  const walk = (dir) => {
    for (const entry of list(dir)) {
      const path = join(dir, entry.name);
      const inside = relative(root, path);
      if (entry.isDirectory()) {
        // Packages in its own node_modules are handled separately.
        if (entry.name === 'node_modules') { if (!listed) for (const one of packages(path)) trim(one, declarationsStay); continue; }
        if (INTERMEDIATE.test(path)) { removeAll(path); continue; }
        const spare = dir === root && DIRECTORIES.has(entry.name) && !open
          && ![...names, ...published].some((name) => below(name.replace(/^\//, ''), entry.name))
          && !existsSync(join(path, 'package.json')) && !mentions(root, entry.name, path);
        if (spare) removeAll(path); else walk(path);
      } else if (machine && entry.isFile() && LIBRARY.test(entry.name) && foreign(path)) {
        remove(path);
      } else if (databases && entry.isFile() && own.name === '@prisma/client' && COMPILER.test(inside)) {
        if (!databases.includes(COMPILER.exec(inside)[1])) remove(path);
      } else if (entry.isFile() && !isNamed(inside)) {
        const spare = (DECLARATION.test(entry.name) && !declarationsStay) || (MAP.test(entry.name) && !keepMaps)
          || entry.name.endsWith('.tsbuildinfo') || entry.name.endsWith('.js.flow') || DOCUMENT.test(entry.name);
        if (spare) remove(path);
      }
    }
  };
  walk(root);
}

/** Whether built code names such a file in a string, and may read it. */
function reads(dir, name) {
  const quoted = new RegExp(`["'\`][^"'\`\\n]*${name}["'\`]`);
  return list(dir).some((entry) => {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) return entry.name !== 'node_modules' && reads(path, name);
    return /\.[cm]?js$/.test(entry.name) && quoted.test(text(path));
  });
}

/** Whether a source map does not contain its sources: it leads to files that the image does not have. */
function leadsNowhere(path) {
  try { return !JSON.parse(readFileSync(path, 'utf8')).sourcesContent?.some((one) => typeof one === 'string'); } catch { return false; }
}

function trimOutputs(out, dir) {
  let own = {};
  try { own = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')); } catch { /* nothing is named */ }
  const names = named([own.main, own.module, own.browser, own.bin, own.exports, own.imports], []);
  const patterns = names.filter((name) => name.includes('*')).map((name) => name.split('*'));
  const isNamed = (path) => names.includes(path)
    || patterns.some(([start, end]) => end !== '' && path.startsWith(start) && path.endsWith(end));
  // The modules of the image, as `.pnpm/@scope+name@1.0.0` or `node_modules/name`.
  let modules = '';
  try { modules = readFileSync('/modules.txt', 'utf8'); } catch { /* there are none */ }
  const here = (name) => installed ? installed.some((one) => one.endsWith(`node_modules/${name}`)) : modules.includes(`/${name.replace('/', '+')}@`) || modules.split('\n').some((line) => line.endsWith(`node_modules/${name}`));
  const root = join(out, dir);
  // What SvelteKit's compiler leaves for the adapter, which copies what a server needs of it.
  const kit = join(root, '.svelte-kit');
  const servers = list(root).filter((entry) => entry.isDirectory()).map((entry) => join(root, entry.name)).filter((dir) => dir !== kit && existsSync(join(dir, 'handler.js')));
  const adapted = servers.length > 0 && existsSync(kit) && !servers.some((dir) => mentions(dir, '.svelte-kit', kit));
  if (adapted) removeAll(kit);
  const declarations = ![...COMPILERS].some(here) && !reads(root, '\\.d\\.[cm]?ts');
  const maps = !keepMaps && !reads(root, '\\.map');
  const walk = (at) => {
    for (const entry of list(at)) {
      const path = join(at, entry.name);
      if (entry.isDirectory()) { if (entry.name !== 'node_modules' && !(adapted && path === kit)) walk(path); continue; }
      if (!entry.isFile() || isNamed(relative(root, path))) continue;
      const spare = DECLARATION.test(entry.name) || /\.d\.[cm]?ts\.map$/.test(entry.name)
        ? declarations : MAP.test(entry.name) && maps && leadsNowhere(path);
      if (spare) remove(path);
    }
  };
  walk(root);
}

const outputs = args.find((arg) => arg.startsWith('--outputs='))?.slice('--outputs='.length);
const directories = args.filter((arg) => !arg.startsWith('--'));
if (outputs !== undefined) {
  for (const dir of directories) trimOutputs(outputs, dir);
  if (saved.files > 0) console.log(`slimbuild: left out ${saved.files} files that the build wrote, ${saved.bytes} bytes`);
  if (!listed) process.exit();
}

const all = new Set();
if (installed) for (const dir of installed) all.add(dir);
else for (const dir of directories) for (const one of packages(dir)) all.add(one);
const name = (dir) => { try { return JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')).name; } catch { return ''; } };
const compiler = [...all].map(name).find((one) => COMPILERS.has(one));
for (const dir of all) trim(dir, compiler !== undefined);
if (listed) process.stdout.write(listed.join('\0'));
else console.log(`slimbuild: left out ${saved.files} files of modules, ${saved.bytes} bytes${compiler ? `; declarations stay, since ${compiler} reads them` : ''}`);
