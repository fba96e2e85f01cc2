// Proof that the image can run, made by slimbuild before the image gets its name. It runs in the image's own file system, with its node and as its
// user, and leaves nothing behind. It reports what is certainly missing, and ignores doubtful cases.
//
//   node [flags] verify.mjs IMAGE.json       what node starts, and all that it needs
//   node [flags] verify.mjs IMAGE.json --start   the same, and then the app is started
//   node [flags] verify.mjs IMAGE.json --portable …   the same for an image that gets no machine code, for any machine
//   node verify.mjs --start IMAGE.json       the app is started, and nothing else is checked
//   node verify.mjs --site DIRECTORY         pages and the files that they load
import { closeSync, existsSync, openSync, readFileSync, readSync, readdirSync, realpathSync, statSync } from 'node:fs';
import nodeModule, { builtinModules, createRequire } from 'node:module';
import { basename, dirname, extname, join, relative, resolve as absolute } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import vm from 'node:vm';
import { trial } from './trial.mjs';

// The image's own directory. Where no image can run, a directory with the same files.
const ROOT = process.env.SLIMBUILD_ROOT ?? '/app';
const began = Date.now();
const problems = [];

function problem(message, chain = [], note = '') {
  if (!problems.some((other) => other.message === message)) problems.push({ message, chain, note });
}

function finish(done) {
  if (problems.length === 0) {
    console.log(`slimbuild: ${done} in ${Date.now() - began} ms`);
    return;
  }
  console.error('slimbuild: the image would not run as it is:');
  const most = 20;
  for (const { message, chain, note } of problems.slice(0, most)) {
    console.error(`  ${message}`);
    if (chain.length > 1) console.error(`    needed by: ${chain.join(' → ')}`);
    if (note) console.error(`    ${note}`);
  }
  if (problems.length > most) console.error(`  … and ${problems.length - most} more`);
  process.exitCode = 1;
}

const shown = (path) => relative(ROOT, path) || '.';
const isFile = (path) => { try { return statSync(path).isFile(); } catch { return false; } };
const isOurs = (path) => path.startsWith(`${ROOT}/`) && !path.includes('/node_modules/');

const manifests = new Map();
function manifest(dir) {
  if (!manifests.has(dir)) {
    let value = null;
    try { value = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')); } catch { /* none, or not ours to judge */ }
    manifests.set(dir, value !== null && typeof value === 'object' ? value : null);
  }
  return manifests.get(dir);
}

/** The directory of the package that a file belongs to. */
function owner(file) {
  let dir = dirname(file);
  while (dir !== dirname(dir)) {
    if (manifest(dir)) return dir;
    dir = dirname(dir);
  }
  return undefined;
}

/** The real directory of a package, seen from a directory: node looks into every node_modules upwards. */
const places = new Map();
function find(dir, name) {
  for (let at = dir; ; at = dirname(at)) {
    if (basename(at) !== 'node_modules') {
      const place = join(at, 'node_modules', name);
      if (!places.has(place)) {
        let real;
        try { real = realpathSync(place); } catch { /* not there, or a link that leads nowhere */ }
        places.set(place, real);
      }
      if (places.get(place)) return places.get(place);
    }
    if (at === dirname(at)) return undefined;
  }
}

// ─── libraries ──────────────────────────────────────────────────────────────

/** Binaries find the libraries that other packages provide. Tools that trace imports do not see these libraries. */
function checkLibraries(dir) {
  let count = 0;
  let entries = [];
  try { entries = readdirSync(dir, { withFileTypes: true }); } catch { /* not ours to read */ }
  for (const entry of entries) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) count += checkLibraries(path);
    else if (entry.isFile() && entry.name.endsWith('.node')) {
      count += 1;
      for (const library of missing(path)) problem(`${shown(path)} needs \`${library}\`, which is not where it looks for it`);
    }
  }
  return count;
}

/** Libraries that a binary expects in other packages, and that exist neither there nor in the system. */
export function missing(path) {
  let binary;
  try { binary = elf(readFileSync(path)); } catch { /* not what the loader reads */ }
  if (!binary || binary.machine !== { x64: 62, arm64: 183 }[process.arch]) return [];
  const own = binary.paths.filter((one) => one.includes('$ORIGIN') || one.includes('${ORIGIN}'));
  const expand = (one) => one.replace(/\$ORIGIN|\$\{ORIGIN\}/, dirname(path));
  const triplet = `${process.arch === 'x64' ? 'x86_64' : 'aarch64'}-linux-gnu`;
  const system = ['/lib', '/usr/lib', '/usr/local/lib'].flatMap((dir) => [dir, `${dir}64`, join(dir, triplet)]);
  const places = [...binary.paths.map(expand), ...(process.env.LD_LIBRARY_PATH ?? '').split(':').filter(Boolean), ...system];
  const gone = binary.needed.filter((name) => !places.some((dir) => existsSync(join(dir, name))));
  // A binary for the other C library is not used here.
  if (own.length === 0 || gone.some((name) => /^(?:libc|ld-linux|ld-musl)[-.]/.test(name))) return [];
  return gone;
}

/** Reads a 64-bit ELF library: the processor, the libraries that it needs, and where it looks for them. */
function elf(bytes) {
  if (bytes.readUInt32BE(0) !== 0x7f454c46 || bytes[4] !== 2 || bytes[5] !== 1) return undefined;
  const word = (at) => Number(bytes.readBigUInt64LE(at));
  const [table, size, count] = [word(32), bytes.readUInt16LE(54), bytes.readUInt16LE(56)];
  const segments = Array.from({ length: count }, (_, index) => table + index * size)
    .map((at) => ({ type: bytes.readUInt32LE(at), offset: word(at + 8), address: word(at + 16), length: word(at + 32) }));
  const dynamic = segments.find(({ type }) => type === 2);
  if (!dynamic) return undefined;
  const entries = [];
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.length && word(at) !== 0; at += 16) entries.push([word(at), word(at + 8)]);
  const strings = entries.find(([tag]) => tag === 5)?.[1];
  const home = segments.find(({ type, address, length }) => type === 1 && strings >= address && strings < address + length);
  const text = (at) => {
    const start = home.offset + strings - home.address + at;
    return bytes.toString('latin1', start, bytes.indexOf(0, start));
  };
  const all = (...tags) => entries.filter(([tag]) => tags.includes(tag)).map(([, value]) => text(value));
  return { machine: bytes.readUInt16LE(18), needed: all(1), paths: all(15, 29).flatMap((one) => one.split(':')) };
}

// ─── packages ───────────────────────────────────────────────────────────────

/** Follows dependencies from the app: what a package needs must be where node looks for it. */
function checkPackages(image) {
  const app = join(ROOT, image.app);
  const forgiven = new Set(image.removed);
  const name = (dir) => {
    const { name, version } = manifest(dir) ?? {};
    return isOurs(`${dir}/`) ? name ?? shown(dir) : `${name ?? shown(dir)}${version ? `@${version}` : ''}`;
  };
  const parents = new Map([[app, undefined]]);
  const chain = (dir) => {
    const names = [];
    for (let at = dir; at !== undefined; at = parents.get(at)) names.unshift(name(at));
    return names;
  };
  for (const dir of parents.keys()) {
    const own = manifest(dir);
    if (!own) continue;
    const ours = isOurs(`${dir}/`);
    const optional = new Set(Object.keys(own.optionalDependencies ?? {}));
    const bundled = own.bundleDependencies ?? own.bundledDependencies ?? [];
    const brought = new Set(Array.isArray(bundled) ? bundled : []);
    const needed = Object.keys(own.dependencies ?? {}).filter((name) => !optional.has(name));
    for (const dependency of needed) {
      const found = find(dir, dependency);
      if (found === undefined) {
        // Overrides and hooks remove dependencies on purpose.
        if (forgiven.has(dependency) || brought.has(dependency) || (!ours && image.hooked)) continue;
        problem(`\`${dependency}\` is a dependency of ${name(dir)}, and is not in the image`, [...chain(dir), dependency]);
        continue;
      }
      if (ours && !isOurs(`${found}/`)) checkMain(found, dependency, [...chain(dir), dependency]);
    }
    for (const dependency of [...needed, ...optional, ...Object.keys(own.peerDependencies ?? {})]) {
      const found = find(dir, dependency);
      if (found !== undefined && !parents.has(found)) parents.set(found, dir);
    }
  }
  return parents.size - 1;
}

const CODE = new Set(['.js', '.cjs', '.mjs', '.json', '.node']);

/** A registry package whose main file is missing. A package that names no main file has types, styles or the like. */
function checkMain(dir, name, chain) {
  const own = manifest(dir);
  if (!own || name.startsWith('@types/')) return;
  const targets = [];
  if (own.exports !== undefined && own.exports !== null) {
    const entry = typeof own.exports === 'object' && !Array.isArray(own.exports) && Object.keys(own.exports).some((key) => key.startsWith('.'))
      ? own.exports['.'] : own.exports;
    for (const mode of ['import', 'require']) targets.push(target(entry, new Set([mode, 'node', 'default'])));
    for (const path of targets.filter((path) => typeof path === 'string' && CODE.has(extname(path)))) {
      if (!isFile(join(dir, path))) problem(`\`${path}\`, which \`exports\` of ${name} names, is not in the image`, chain);
    }
  } else if (typeof own.main === 'string' && own.main !== '' && !/\.d\.[cm]?ts$/.test(own.main)) {
    const main = join(dir, own.main);
    const names = [main, `${main}.js`, `${main}.json`, `${main}.node`, join(main, 'index.js'), join(dir, 'index.js')];
    if (!names.some(isFile) && hasCode(dir)) problem(`\`${own.main}\`, the \`main\` of ${name}, is not in the image`, chain);
  }
}

function target(value, conditions) {
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return value.map((one) => target(one, conditions)).find((one) => one !== undefined);
  if (value && typeof value === 'object') {
    for (const [condition, one] of Object.entries(value)) {
      const found = conditions.has(condition) ? target(one, conditions) : undefined;
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function hasCode(dir, depth = 2) {
  return readdirSync(dir, { withFileTypes: true }).some((entry) => entry.isDirectory()
    ? depth > 0 && entry.name !== 'node_modules' && hasCode(join(dir, entry.name), depth - 1)
    : ['.js', '.cjs', '.mjs', '.node'].includes(extname(entry.name)));
}

// ─── files ──────────────────────────────────────────────────────────────────

/** Modules that change how others are found. With them, an unknown name proves nothing. */
const CHANGES_RESOLUTION = /^(module-alias|tsconfig-paths|app-module-path|tsx|ts-node|esbuild-register|@swc-node|@esbuild-kit|jiti|pnpapi|@babel\/register|@swc\/register|sucrase|esbuild-runner|@oxc-node)(\/|$)/;

/** Options that make node find or read modules in another way. */
const REGISTERS = /\bregister(Hooks)?\s*\(/;

/** Follows our files from the entry along static imports and top-level `require`s: each must parse, and what it names must exist. */
async function checkFiles(image) {
  const app = join(ROOT, image.app);
  const entry = join(app, image.entry);
  if (!isFile(entry)) {
    problem(`${shown(entry)}, which the image starts, is not there`);
    return 0;
  }
  let aliases = false;
  const unknown = [];
  const refused = [];
  const options = [...image.nodeArgs, ...(image.nodeOptions ?? '').split(/\s+/).filter(Boolean)];
  const preloads = preloaded(options);
  const takes = takesTypes(options);
  const roots = [realpathSync(entry)];
  for (const name of preloads) {
    // Only options that change how modules are found make unknown names doubtful.
    if (CHANGES_RESOLUTION.test(name)) aliases = true;
    let found;
    try {
      found = await locate(name, join(app, 'slimbuild.mjs'), true);
    } catch {
      try {
        found = realpathSync(createRequire(join(app, 'slimbuild.js')).resolve(name));
      } catch {
        problem(`\`${name}\`, which node is told to load first, is not in the image`, [], where(name, app));
      }
    }
    if (found && isOurs(found)) {
      roots.push(found);
      // It may make node find modules in its own way.
      if (REGISTERS.test(readFileSync(found, 'utf8'))) aliases = true;
    }
  }
  const parents = new Map(roots.map((file) => [file, undefined]));
  for (const file of parents.keys()) {
    const text = readFileSync(file, 'utf8');
    const why = refusal(file, text, takes);
    if (why) {
      refused.push({ file, why });
      continue;
    }
    const code = parse(file, text, aliases, takes);
    if (!code) continue;
    for (const { path, here } of started(text)) {
      const place = join(here ? dirname(file) : app, path);
      if (isFile(place)) {
        if (isOurs(place) && !parents.has(realpathSync(place))) parents.set(realpathSync(place), file);
      } else if (image.sources?.includes(shown(place))) {
        refused.push({ file, certain: true, why: `starts ${shown(place)}, which is in the workspace and not in the image: take it along with \`--include '${shown(place)}'\`` });
      }
    }
    const all = [...code.names, ...code.awaited].map((name) => ({ name, esm: code.esm })).concat(code.required.map((name) => ({ name, esm: false })));
    for (const { name, esm } of all) {
      if (/^(node:)?module$/.test(name) && REGISTERS.test(text)) aliases = true;
      if (isBuiltin(name) || /^(?!file:)[a-z][a-z0-9+.-]+:/i.test(name)) continue;
      if (CHANGES_RESOLUTION.test(name)) aliases = true;
      let found;
      try {
        found = await locate(name, file, esm);
      } catch (error) {
        found = aliases ? completed(name, file) : undefined;
        if (found === undefined) {
          unknown.push({ name, file, error });
          continue;
        }
      }
      if (found && (isOurs(found) || TYPESCRIPT.test(found)) && !parents.has(found)) parents.set(found, file);
      if (!found || !esm || !plain(text, name)) continue;
      if (extname(found) === '.json') {
        refused.push({ file, why: `loads \`${name}\` without \`with { type: 'json' }\`, which node ${process.versions.node} asks for` });
      } else if (isOurs(found) && !(await imports(extname(found), options))) {
        refused.push({ file, why: `imports \`${name}\`, and node ${process.versions.node} imports no such file: ${INSTEAD[extname(found)] ?? 'read it with `readFileSync`, or have the build compile it'}` });
      }
    }
  }
  // No import names what a library loads by a string.
  for (const [by, name] of image.named ?? []) {
    const file = join(ROOT, by);
    if (parents.has(file) && find(dirname(file), name) === undefined) unknown.push({ name, file, error: new Error(name) });
  }
  const chain = (file) => {
    const files = [];
    for (let at = file; at !== undefined; at = parents.get(at)) files.unshift(shown(at));
    return files;
  };
  // A loader translates them for node.
  for (const { file, why } of refused.filter(({ certain }) => certain || !aliases)) problem(`${shown(file)} ${why}`, chain(file));
  for (const { name, file, error } of unknown) {
    const local = /^[./]/.test(name);
    const declared = manifest(owner(file) ?? '')?.devDependencies?.[packageName(name)] !== undefined;
    if (aliases && !declared && !local) continue;
    if (local) problem(`${shown(file)} loads \`${name}\`, ${unfound(name, file)}`, chain(file));
    else if (find(dirname(file), packageName(name)) !== undefined) {
      problem(`${shown(file)} loads \`${name}\`, which cannot be found: ${String(error.message).split('\n')[0]}`, chain(file));
    } else problem(`${shown(file)} loads \`${name}\`, which is not in the image`, chain(file), where(name, dirname(file)));
  }
  return parents.size;
}

/** The reason why a package is missing. */
function where(name, dir) {
  const own = owner(join(dir, 'x'));
  const { devDependencies, peerDependencies, optionalDependencies, dependencies } = manifest(own ?? '') ?? {};
  const wanted = packageName(name);
  const file = `${shown(own ?? dir)}/package.json`;
  if (devDependencies?.[wanted]) return `It is a dev dependency in ${file}: what runs needs it among \`dependencies\`.`;
  if (dependencies?.[wanted] || optionalDependencies?.[wanted]) return '';
  if (peerDependencies?.[wanted]) return `It is a peer dependency in ${file}: the app has to bring it along.`;
  if (/^[.#]/.test(name)) return '';
  return `${file} does not name it: add it to \`dependencies\`.`;
}

const packageName = (name) => name.split('/').slice(0, name.startsWith('@') ? 2 : 1).join('/');
const isBuiltin = (name) => name.startsWith('node:') || builtinModules.includes(name);

/** What node loads before the entry: -r X, --require=X, --import X, --loader X. */
function preloaded(args) {
  const names = [];
  for (let at = 0; at < args.length; at += 1) {
    const [, , value] = /^(-r|--require|--import|--loader|--experimental-loader)(?:=(.*))?$/.exec(args[at]) ?? [, , null];
    if (value === null) continue;
    const name = value ?? args[at += 1];
    if (name && !isBuiltin(name) && !/^data:/.test(name)) names.push(name);
  }
  return names;
}

/** Resolves a name from a file as node does. Throws if nothing is found. */
async function locate(name, file, esm) {
  if (!esm) return realpathSync(createRequire(file).resolve(name));
  const url = await import.meta.resolve(name, pathToFileURL(file).href);
  if (!url.startsWith('file:')) return undefined;
  const path = fileURLToPath(url);
  if (!isFile(path)) throw new Error(`there is no ${shown(path)}`);
  return realpathSync(path);
}

/** A file beside this one as loaders of TypeScript find it: with an ending that the name lacks, in place of its output, or as a directory's index. */
function completed(name, file) {
  if (!/^\.{1,2}(\/|$)/.test(name)) return undefined;
  const path = join(dirname(file), name);
  const output = /\.([cm]?)jsx?$/.exec(path);
  const stems = output ? [path.slice(0, output.index)] : [path, join(path, 'index')];
  const endings = output?.[1] ? [`.${output[1]}ts`] : ['.ts', '.tsx', '.js', '.jsx', '.mts', '.cts', '.json'];
  const found = stems.flatMap((stem) => endings.map((ending) => stem + ending)).find(isFile);
  return found && realpathSync(found);
}

/** Why node does not find a file of the app by a relative name. */
function unfound(name, file) {
  const near = completed(name, file);
  if (near === undefined) return 'which is not in the image';
  if (TYPESCRIPT.test(near)) return `and there is only ${shown(near)}, which node does not take for it`;
  const whole = relative(dirname(realpathSync(file)), near);
  return `and node wants the whole name in an ES module: \`${whole.startsWith('.') ? '' : './'}${whole}\``;
}

const TYPESCRIPT = /\.[cm]?tsx?$/;

/** What node does with TypeScript if it is started with these options: nothing, strip types, or also transform enums and the like. */
export function takesTypes(options) {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const since = (line, from) => major === line && minor >= from;
  let found = since(22, 18) || since(23, 6) || major >= 24 ? 'types' : '';
  for (const option of major > 22 || since(22, 6) ? options : []) {
    if (/^--(experimental-)?strip-types$/.test(option)) found = 'types';
    if (option === '--experimental-transform-types') found = 'all';
    if (/^--no-(experimental-)?strip-types$/.test(option)) found = '';
  }
  return found;
}

/** Why this node cannot run a TypeScript file. */
export function refusal(file, text, takes) {
  if (!TYPESCRIPT.test(file)) return undefined;
  if (!takes) return `is TypeScript, which node ${process.versions.node} does not run: compile it, or take a newer node`;
  if (file.includes('/node_modules/')) return 'is TypeScript below node_modules, where node runs none: compile it';
  if (file.endsWith('x')) return 'has the ending .tsx, which node does not run: compile it';
  const javascript = stripped(text, takes);
  return javascript instanceof Error ? `is not what node ${process.versions.node} can run: ${javascript.message.split('\n')[0]}` : undefined;
}

/** TypeScript without its types. Returns the error if node cannot strip them, and nothing if this node has no such function. */
function stripped(text, takes) {
  try {
    return nodeModule.stripTypeScriptTypes?.(text, { mode: takes === 'all' ? 'transform' : 'strip' });
  } catch (error) {
    return error;
  }
}

/** Whether a file imports another without an import attribute that names the kind of file. */
export function plain(text, name) {
  const literal = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`(?:^|[;\\n}])\\s*import\\b[^;'"\`]*?(['"])${literal}\\1(?!\\s*(?:with|assert)\\b)`).test(text);
}

/** What to write if node does not import a file. */
const INSTEAD = {
  '.node': 'load it with `createRequire(import.meta.url)`',
  '.wasm': 'compile it with `WebAssembly`, or start node with `--experimental-wasm-modules`',
};

/** Whether this node, with these options, imports files with an ending. A file without one is code. */
async function imports(ending, options) {
  if (['', '.js', '.cjs', '.mjs', '.json'].includes(ending) || TYPESCRIPT.test(ending)) return true;
  if (ending === '.node') return options.includes('--experimental-addon-modules') || Number(process.versions.node.split('.')[0]) > 24;
  if (ending !== '.wasm') return false;
  // The smallest module shows whether it needs a flag.
  return options.includes('--experimental-wasm-modules') || import('data:application/wasm;base64,AGFzbQEAAAA=').then(() => true, () => false);
}

/** The modules that a file certainly loads. Nothing for files that node does not read as JavaScript. */
function parse(file, text, transformed, takes) {
  const extension = extname(file).replace(/^\.([cm]?)ts$/, '.$1js');
  if (!['.js', '.cjs', '.mjs', ''].includes(extension)) return undefined;
  if (TYPESCRIPT.test(file)) text = stripped(text, takes);
  if (typeof text !== 'string') return undefined;
  const type = manifest(owner(file) ?? '')?.type;
  const module = () => {
    const made = new vm.SourceTextModule(text, { identifier: file });
    const names = made.dependencySpecifiers ?? made.moduleRequests.map((request) => request.specifier);
    return { esm: true, names, awaited: awaited(text), required: created(text) };
  };
  const script = () => {
    const wrapped = ['exports', 'require', 'module', '__filename', '__dirname'];
    vm.compileFunction(text.replace(/^#!.*/, ''), wrapped, { filename: file });
    return { esm: false, names: requires(text), awaited: [], required: [] };
  };
  try {
    if (extension === '.mjs' || (extension === '.js' && type === 'module')) return module();
    if (extension === '.cjs' || type === 'commonjs') return script();
    try {
      return script();
    } catch (error) {
      // node detects the kind of module by itself since 20.19 and 22.7.
      const [major, minor] = process.versions.node.split('.').map(Number);
      const detects = major > 22 || (major === 22 && minor >= 7) || (major === 20 && minor >= 19);
      if (!detects) throw error;
      try { return module(); } catch { throw error; }
    }
  } catch (error) {
    if (!transformed && error instanceof SyntaxError) {
      // node puts the place of the file on top of the stack for scripts, and not for modules.
      const [top] = `${error.stack}`.split('\n');
      const line = top.startsWith(file) ? /:(\d+)$/.exec(top)?.[1] : undefined;
      problem(`${shown(file)}${line ? `:${line}` : ''} is not what node ${process.versions.node} can read: ${error.message}`);
    }
    return undefined;
  }
}

/** What a CommonJS file requires in plain statements at its top level. In functions, blocks and conditions a `require` may never run. */
export function requires(text) {
  return calls(text, 'r', /^require\(\s*(["'])([^"'\\\n]+)\1\s*\)/);
}

/** What a module requires in such statements by what it makes with `createRequire`. */
function created(text) {
  const made = [...text.matchAll(/\b([\w$]+)\s*=\s*(?:\w+\.)?createRequire\(\s*import\.meta\./g)].map(([, name]) => name);
  const literal = String.raw`\(\s*(["'])([^"'\\\n]+)\1\s*\)`;
  const named = [...new Set(made)].flatMap((name) => calls(text, name[0], new RegExp(`^${name.replaceAll('$', '\\$')}${literal}`)));
  return [...named, ...calls(text, 'c', new RegExp(String.raw`^createRequire\(\s*import\.meta\.\w+\s*\)${literal}`))];
}

/** What a module imports by `await import('x')` in plain statements at its top level. */
export function awaited(text) {
  return calls(text, 'a', /^await\s+import\(\s*(["'])([^"'\\\n]+)\1\s*\)(?!\s*\.\s*(?:then|catch)\b)/);
}

/** Files that a worker thread or a forked process starts with, if their names are literals; `here` are those beside the file. */
export function started(text) {
  const literal = (name) => `(?<q${name}>['"])(?<${name}>[^'"\\n]+)\\k<q${name}>`;
  const call = new RegExp(`\\b(?:new\\s+Worker|fork)\\s*\\(\\s*(?:new\\s+URL\\(\\s*${literal('url')}\\s*,\\s*import\\.meta\\.url\\s*\\)|(?:path\\.)?(?:join|resolve)\\(\\s*(?:__dirname|import\\.meta\\.dirname)\\s*,\\s*${literal('joined')}\\s*\\)|${literal('plain')})`, 'g');
  return [...text.matchAll(call)].flatMap((found) => {
    const { url, joined, plain } = found.groups;
    // A comment, or the name of a package.
    if (/\/\/|^\s*\*/.test(text.slice(text.lastIndexOf('\n', found.index) + 1, found.index))) return [];
    if (plain !== undefined && !/^\.\.?\//.test(plain)) return [];
    return [{ path: url ?? joined ?? plain, here: plain === undefined }];
  });
}

/** The names in calls of one kind, in plain statements at the top level. `first` is the first letter of a call. */
function calls(text, first, call) {
  const names = [];
  let depth = 0;
  let statement = 0;
  let last = '';
  const braces = [];
  for (let at = 0; at < text.length; at += 1) {
    const letter = text[at];
    if (letter === '/' && (text[at + 1] === '/' || text[at + 1] === '*')) {
      const end = text[at + 1] === '/' ? text.indexOf('\n', at) : text.indexOf('*/', at + 2) + 1;
      if (end <= at) break;
      at = end;
      continue;
    }
    if (letter === '"' || letter === "'") {
      at = string(text, at);
      last = letter;
      continue;
    }
    if (letter === '`' || (letter === '}' && braces[braces.length - 1] === '`')) {
      if (letter === '}') { braces.pop(); depth -= 1; }
      at = template(text, at);
      if (text[at] === '{') { braces.push('`'); depth += 1; last = '{'; } else last = '`';
      continue;
    }
    if (letter === '/' && isRegex(text, at, last)) {
      at = regex(text, at);
      last = '/';
      continue;
    }
    if (letter === '{') { braces.push('{'); depth += 1; }
    if (letter === '}') { braces.pop(); depth -= 1; if (depth === 0 && /^[^=]*$/.test(text.slice(statement, at))) statement = at + 1; }
    if (letter === ';' && depth === 0) statement = at + 1;
    if (letter === first && depth === 0 && !/[\w$.]/.test(text[at - 1] ?? '')) {
      const found = call.exec(text.slice(at, at + 300));
      // A declaration on a new line begins a statement, with or without a semicolon.
      const before = text.slice(statement, at).replace(/^[^]*\n(?=(?:const|let|var)\s)/, '');
      if (found && !/=>|\?|&&|\|\||\b(function|if|else|typeof|while|for|case|class)\b/.test(before)) names.push(found[2]);
    }
    if (!/\s/.test(letter)) last = letter;
  }
  // Braces do not match: the text was misread, and nothing in it counts.
  return depth === 0 ? [...new Set(names)] : [];
}

function string(text, at) {
  const quote = text[at];
  for (at += 1; at < text.length && text[at] !== quote; at += 1) if (text[at] === '\\') at += 1;
  return at;
}

/** The end of a template literal's text: its closing quote, or the brace that opens an expression. */
function template(text, at) {
  for (at += 1; at < text.length && text[at] !== '`'; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '$' && text[at + 1] === '{') return at + 1;
  }
  return at;
}

function isRegex(text, at, last) {
  if (last === '' || '(,=:[!&|?{;+-*%~^<>'.includes(last)) return true;
  const word = /(?:^|[^\w$.])([a-z]+)\s*$/.exec(text.slice(Math.max(0, at - 20), at))?.[1];
  return ['return', 'typeof', 'case', 'in', 'of', 'delete', 'void', 'throw', 'new', 'do', 'else', 'yield', 'await'].includes(word);
}

function regex(text, at) {
  let inClass = false;
  for (at += 1; at < text.length && text[at] !== '\n'; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '[') inClass = true;
    else if (text[at] === ']') inClass = false;
    else if (text[at] === '/' && !inClass) break;
  }
  return at;
}

// ─── machines ───────────────────────────────────────────────────────────────

/** Nothing is a program or a library for one kind of machine: the build ran on another than the image is for. */
function checkPortable(dir) {
  let entries = [];
  try { entries = readdirSync(dir, { withFileTypes: true }); } catch { /* not ours to read */ }
  for (const entry of entries) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) checkPortable(path);
    else if (entry.isFile() && isMachineCode(path)) {
      problem(`${shown(path)} is machine code for the machine that built it, and the image is for several`, [], 'name one `--platform`, which the builder can run steps for');
    }
  }
}

/** ELF, which Linux runs. */
function isMachineCode(path) {
  const start = Buffer.alloc(4);
  let file;
  try {
    file = openSync(path);
    readSync(file, start);
  } catch { /* not ours to read */ } finally {
    if (file !== undefined) closeSync(file);
  }
  return start.equals(Buffer.from('\x7fELF'));
}

// ─── sites ──────────────────────────────────────────────────────────────────

/** The first page exists, and so do the scripts and styles of the site that it loads. */
function checkSite(dir) {
  const index = join(dir, 'index.html');
  if (!isFile(index)) {
    problem(`${relative(process.cwd(), index)} is not there: the site has no first page`);
    return 0;
  }
  const page = readFileSync(index, 'utf8').replace(/<!--[^]*?-->/g, '');
  let count = 0;
  for (const [tag, kind] of page.matchAll(/<(script|link)\b[^>]*>/gi)) {
    const value = (name) => {
      const found = new RegExp(`\\s${name}\\s*=\\s*(?:"([^"]*)"|'([^']*)'|([^\\s>]+))`, 'i').exec(tag);
      return found?.[1] ?? found?.[2] ?? found?.[3];
    };
    const script = kind.toLowerCase() === 'script';
    const reference = script ? value('src') : value('href');
    if (!reference || /^([a-z][a-z0-9+.-]*:|\/\/|#)/i.test(reference)) continue;
    if (!script && !/^(stylesheet|modulepreload)$/i.test(value('rel') ?? '')) continue;
    let path;
    try { path = decodeURIComponent(reference.replace(/[?#].*$/, '')); } catch { continue; }
    // A script without a hash in its name may be written when the container starts, such as /env.js.
    const hashed = /[-._][A-Za-z0-9_-]{8,}\.\w+$/.test(path);
    if (script && value('type') !== 'module' && !hashed) continue;
    count += 1;
    // The site may be served below a path that does not exist in the directory.
    const parts = path.split('/').filter((part) => part !== '' && part !== '.' && part !== '..');
    if (!parts.some((_, at) => existsSync(join(dir, ...parts.slice(at))))) problem(`index.html loads \`${reference}\`, which the build did not write`);
  }
  return count;
}

// ─── the program ────────────────────────────────────────────────────────────

async function main([first, second, ...more]) {
  if (first === '--site') {
    const count = checkSite(absolute(second));
    finish(`index.html and the ${count} files that it loads are there`);
    return;
  }
  const image = JSON.parse(readFileSync(first === '--start' ? second : first, 'utf8'));
  if (first === '--start') {
    await start(image);
    return;
  }
  const files = await checkFiles(image);
  const packages = image.holds === 'modules' ? checkPackages(image) : 0;
  const binaries = checkLibraries(ROOT);
  const flags = [second, ...more];
  if (flags.includes('--portable')) checkPortable(ROOT);
  const loaded = binaries > 0 ? `, ${binaries} binaries find their libraries` : '';
  finish(`${files} files parse${image.holds === 'modules' ? ` and ${packages} packages are in their places` : ''}${loaded}`);
  if (flags.includes('--start') && problems.length === 0) await start(image);
}

/** Starts the app and says how it went. */
async function start(image) {
  const { said, fault, log } = await trial({
    root: ROOT,
    command: image.shell ? image.start : [process.execPath, ...image.start],
    nodeOptions: image.nodeOptions,
    directory: join(ROOT, image.app),
    sources: image.sources,
  });
  if (said) {
    console.log(`slimbuild: ${said}`);
    return;
  }
  console.error('slimbuild: the image was started, and cannot run as it is:');
  console.error(`  ${fault.message}`);
  if (fault.note) console.error(`    ${fault.note}`);
  const own = log.filter((line) => !/^\s+at .*node:internal|^Node\.js v/.test(line));
  for (const line of own.slice(-12)) console.error(`  │ ${line}`);
  process.exitCode = 1;
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
