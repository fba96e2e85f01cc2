// A trial start with the image's own command, files, user and node, without a network, before the image gets its name. It ends when the app listens,
// when the app ends, or after a few seconds. It fails only for reasons that lie in the image: an app gets services and variables when it runs for real.
import { spawn } from 'node:child_process';
import { accessSync, constants, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** How long an app that does not listen and still does something is watched, and one that computes all the time, as an app that loads its code
 * on a slow machine does. */
const PATIENCE = 5_000;
const LONGEST = 20_000;
const GLANCE = 20;
/** An app that has computed next to nothing for so long has done what it does at its start. */
const QUIET = 2_000;
/** The clock ticks that it may have computed meanwhile, of which a second has a hundred: a timer that looks for work takes some. */
const NEXT_TO_NOTHING = 4;
const SECOND = 1_000;
/** How much of what the app wrote is kept. */
const TAIL = 64 * 1024;

/** Errors of node's loader. Their cause is always in the image. */
const LOADING = new Set([
  'MODULE_NOT_FOUND', 'ERR_MODULE_NOT_FOUND', 'ERR_PACKAGE_PATH_NOT_EXPORTED', 'ERR_PACKAGE_IMPORT_NOT_DEFINED', 'ERR_UNSUPPORTED_DIR_IMPORT',
  'ERR_UNKNOWN_FILE_EXTENSION', 'ERR_UNKNOWN_MODULE_FORMAT', 'ERR_REQUIRE_ESM', 'ERR_REQUIRE_ASYNC_MODULE', 'ERR_IMPORT_ATTRIBUTE_MISSING',
  'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX', 'ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING', 'ERR_INVALID_TYPESCRIPT_SYNTAX', 'ERR_NO_TYPESCRIPT',
  'ERR_DLOPEN_FAILED',
]);
const BASES = 'Choose a base that has it (`--base slim`), or add its package with `systemPackages` in slimbuild.json.';
const UNGENERATED = {
  message: 'the Prisma client in the image is not generated: nothing in the build ran `prisma generate`',
  note: 'Have the build generate it: `"build": "prisma generate && …"`, with `prisma` among the dependencies of the same package.',
};
/** Addresses that only the machine itself reaches. */
const LOOPBACK = /^(?:127\.|::1$|::ffff:127\.)/;
const DENIED = new Set(['EACCES', 'EROFS', 'EPERM']);

/**
 * Starts the app. `start` comes from verify.mjs: `command`, `directory` (both absolute), and `sources`, the files of the workspace.
 * Returns lines: `said` is one line about a start that went well; otherwise they say what is wrong.
 */
export async function trial(image) {
  const dir = mkdtempSync(join(tmpdir(), 'slimbuild-trial-'));
  try {
    return await watch(image, join(dir, 'notes'));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function watch(image, file) {
  const { root, command, directory } = image;
  const hook = join(dirname(fileURLToPath(import.meta.url)), 'hook.cjs');
  const env = { ...process.env, SLIMBUILD_TRIAL: file, SLIMBUILD_TRIAL_ROOT: root };
  // Options of the app or slimbuild.json must not reach the programs that prove the image; options of the base stay.
  env.NODE_OPTIONS = `${image.nodeOptions ?? process.env.NODE_OPTIONS ?? ''} --require=${hook}`.trim();
  const began = Date.now();
  const seconds = () => `${((Date.now() - began) / 1000).toFixed(1)} s`;
  const child = spawn(command[0], command.slice(1), { cwd: directory, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let wrote = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text) => { wrote = (wrote + text).slice(-TAIL); });
  }
  let ended;
  child.on('error', (error) => { ended = { error }; });
  child.on('close', (code, signal) => { ended ??= { code, signal }; });
  let notes = [];
  let listens;
  let onlyHere;
  let until = PATIENCE;
  let settled = { since: began, computed: 0 };
  let looks = { busy: 0, idle: 0 };
  while (ended === undefined && listens === undefined) {
    await new Promise((resolve) => { setTimeout(resolve, GLANCE); });
    notes = read(file);
    const servers = notes.filter((note) => note.listens !== undefined);
    listens = servers.find(({ at }) => !LOOPBACK.test(at))?.listens;
    // The app may open a port for a debugger first. So the trial goes on, in case another server follows.
    onlyHere ??= servers.length > 0 ? { ...servers[0], took: seconds() } : undefined;
    const { computed, busy } = work(child.pid);
    if (busy || computed - settled.computed > NEXT_TO_NOTHING) settled = { since: Date.now(), computed };
    if (Date.now() - settled.since >= QUIET) break;
    const left = until - (Date.now() - began);
    if (left > SECOND) continue;
    // On a slow machine, the first look at the app may be the last.
    looks[busy ? 'busy' : 'idle'] += 1;
    if (left > GLANCE) continue;
    if (until >= LONGEST || looks.busy <= looks.idle) break;
    until += SECOND;
    looks = { busy: 0, idle: 0 };
  }
  const took = seconds();
  const over = ended;
  stop(child);
  if (listens !== undefined) return { said: `started, listens on port ${listens} after ${took}` };
  notes = read(file);
  const log = wrote.replace(/\x1b\[[\d;]*m/g, '').split('\n').map((line) => line.trimEnd()).filter((line) => line !== '');
  const fault = over?.error ? unstarted(over.error, command) : blame(notes, image);
  if (fault) return { fault, log };
  if (over === undefined && onlyHere) return { said: unreachable(onlyHere) };
  if (over === undefined) return { said: `started, and ran for ${Math.round((Date.now() - began) / 1000)} s without listening` };
  if (over.code === 0) return { said: `started, and ended by itself after ${took}` };
  const how = over.signal ? `by ${over.signal}` : `with exit code ${over.code}`;
  const missing = notes.map(({ missed }) => missed).filter((missed) => missed && log.some((line) => line.includes(missed.said)));
  const own = missing.map((missed) => file_fault(missed, image)).find((found) => found !== undefined);
  if (own) return { fault: own, log };
  const sought = named(notes, log);
  if (sought) return { fault: { message: `the app looks for the module \`${sought}\` when it starts, which is not in the image`, note: note_of('MODULE_NOT_FOUND') }, log };
  const denied = log.map(denial).find((path) => path !== undefined);
  const written = denied && file_fault({ code: 'EACCES', syscall: 'open', path: resolve(image.directory, denied) }, image);
  if (written) return { fault: written, log };
  const database = log.find((line) => /unable to open .*database|SQLITE_CANTOPEN|SQLITE_READONLY|readonly database/i.test(line));
  const held = database && file_fault({ code: 'EACCES', syscall: 'open', path: resolve(image.directory, stored(database) ?? '/') }, image);
  if (held) return { fault: held, log };
  // The exit codes of shells for a program that does not exist or may not be run.
  const refused = [126, 127].includes(over.code) && log.filter((line) => /not found|[Pp]ermission denied/.test(line)).at(-1);
  if (refused) return { fault: { message: `the start script runs a program that is not in the image: ${refused}`, note: BASES }, log };
  const words = last(notes, log);
  if (/@prisma\/client did not initialize yet/.test(`${words}\n${log.join('\n')}`)) return { fault: UNGENERATED, log };
  const closed = database && 'SQLite could not open its file: give it a directory that the app may write to, with "writable" in slimbuild.json or as a volume';
  const lacks = env_file(notes, image) ?? closed ?? 'nothing was missing from the image';
  return { said: `started, and ended by itself ${how} after ${took}${words ? `: ${words}` : ''}; ${lacks}` };
}

/** The line about an app that nothing outside of its container reaches. It is no fault: another program of the same pod may be the one that asks. */
function unreachable({ listens, at, took }) {
  return `started, listens on port ${listens} after ${took}, but only on ${at}, which nothing outside of the container reaches: have the app listen on 0.0.0.0`;
}

/** The file of a database, where a message names it. */
function stored(line) {
  return /(?:^|[\s'"`:])((?:\.{0,2}\/)?[\w./-]+\.(?:db3?|sqlite3?))\b/.exec(line)?.[1];
}

/** What an app lacks that ends because an env file is not there. It may be mounted, so that is no fault of the image. */
function env_file(notes, { root }) {
  const died = notes.map((note) => note.died).find((died) => died?.code === 'ENOENT' && /^\.env(?:\.|$)/.test(basename(died.path ?? '')));
  return died && `it reads ${relative(root, died.path)}, and an image holds no env file: have the app do without it, or take it along with "publicEnvFiles" if it holds no secret`;
}

/** What the processes of a group do: whether one computes, or would if others left it a processor, and the clock ticks that all have computed. */
function work(group) {
  let ids = [];
  try { ids = readdirSync('/proc').filter((name) => /^\d+$/.test(name)); } catch { /* not known here */ }
  const found = { busy: ids.length === 0, computed: 0 };
  for (const id of ids) {
    let fields = [];
    // A program's name is in brackets, and may have spaces.
    try { fields = readFileSync(`/proc/${id}/stat`, 'utf8').replace(/^.*\) /s, '').split(' '); } catch { /* it has ended */ }
    if (Number(fields[2]) !== group) continue;
    found.busy ||= ['R', 'D'].includes(fields[0]);
    found.computed += Number(fields[11]) + Number(fields[12]);
  }
  return found;
}

/** The file that a shell or a system program could not write, taken from its log. */
function denial(line) {
  return /(?:cannot create(?: regular file| directory)?|can't create(?: directory)?|cannot touch|couldn't open temporary file|line \d+:) ['‘]?([^'’:]+)['’]?: (?:Permission denied|Read-only file system)/.exec(line)?.[1];
}

function read(file) {
  let text;
  try { text = readFileSync(file, 'utf8'); } catch { return []; }
  // The app can write to this file too: other lines are ignored.
  return text.split('\n').slice(0, -1).flatMap((line) => {
    try { return [JSON.parse(line)].filter((note) => note !== null && typeof note === 'object'); } catch { return []; }
  });
}

/** Ends the app and everything that it started. */
function stop(child) {
  if (child.pid === undefined) return;
  try { process.kill(-child.pid, 'SIGKILL'); } catch { /* nobody is left */ }
  // A process that left the group may hold the pipes open. Nobody waits for it.
  for (const stream of [child.stdout, child.stderr]) stream?.destroy();
  child.unref();
}

/** What in the image ended a process; nothing if the cause is elsewhere. */
function blame(notes, image) {
  for (const { died } of notes.filter((note) => note.died)) {
    const fault = of_error(died, image);
    if (fault) return fault;
  }
  return undefined;
}

function of_error({ name, message = '', code, syscall = '', path, stack = '', requireStack }, image) {
  const first = message.split('\n')[0];
  const at = (requireStack?.[0] ?? place(stack, image.root)) || undefined;
  const by = at ? ` (${relative(image.root, at)} needs it)` : '';
  if (LOADING.has(code)) return { message: `${first}${by}`, note: note_of(code) };
  if (name === 'SyntaxError') {
    // The stack of a syntax error begins with the file or with node's loader. Errors in JSON that the app reads have neither.
    const [line] = stack.split('\n');
    const file = /^(?:file:\/\/)?\//.test(line) ? `, in ${line.replace(/^file:\/\//, '')}` : '';
    const top = /^\s+at .*$/m.exec(stack)?.[0] ?? '';
    if (file || /node:internal\/(?:modules|vm)/.test(top)) return { message: `${first}${file}`, note: 'The image\'s node cannot read this file.' };
  }
  if (name === 'TransformError') {
    // tsx and other loaders compile by esbuild, which names the file: "/app/a.ts:2:0: ERROR: text".
    const [, file, text] = /^(\/[^:\n]+:\d+):\d+: ERROR: (.*)$/m.exec(message) ?? [];
    if (file?.startsWith(`${image.root}/`)) return { message: `${text}, in ${relative(image.root, file)}`, note: 'The loader that compiles TypeScript cannot read this file.' };
  }
  if (code === 'ENOENT' && syscall.startsWith('spawn')) {
    const program = syscall.slice('spawn'.length).trim() || path;
    return { message: `the app starts \`${program}\`, which is not in the image`, note: BASES };
  }
  return path === undefined ? undefined : file_fault({ code, syscall, path }, image);
}

/** A file of the app that the workspace has and the image lacks, or that the app may not write. */
function file_fault({ code, syscall, path }, { root, directory, sources }) {
  if (!path.startsWith(`${root}/`)) return undefined;
  const file = relative(root, path);
  const denied = DENIED.has(code) || (code === 'ENOENT' && syscall === 'mkdir' && !mayWrite(dirname(path)));
  if (code === 'ENOENT' && !denied && sources.some((source) => source === file || source.startsWith(`${file}/`))) {
    return { message: `the app reads ${file} when it starts, which is in the workspace and not in the image`, note: `Take it along: \`--include '${file}'\`, or "include" in slimbuild.json.` };
  }
  if (denied) {
    const written = relative(directory, syscall === 'mkdir' ? path : dirname(path)) || '.';
    const note = written.startsWith('..')
      ? 'Let it write to /tmp or to a volume.'
      : `Name the directory in slimbuild.json beside the app: "writable": ["${written}"]; or let it write to /tmp or to a volume.`;
    return { message: `the app writes to ${file} when it starts, and may not: files of the image belong to root`, note };
  }
  return undefined;
}

/** Whether the nearest directory that is there may be written to: node calls it ENOENT where one below a read-only one is to be made. */
function mayWrite(directory) {
  let at = directory;
  while (!existsSync(at)) at = dirname(at);
  try { accessSync(at, constants.W_OK); } catch (error) { return !DENIED.has(error.code); }
  return true;
}

function note_of(code) {
  if (code === 'ERR_DLOPEN_FAILED') return 'A library of the system is missing: choose another base, or add its package with `systemPackages` in slimbuild.json.';
  if (code === 'MODULE_NOT_FOUND' || code === 'ERR_MODULE_NOT_FOUND') return 'What the app loads when it starts has to be among the `dependencies` of the package that loads it.';
  return undefined;
}

function unstarted(error, command) {
  return { message: `\`${command[0]}\` could not be started: ${error.code ?? error.message}`, note: undefined };
}

/** The first file of ours in a stack. */
function place(stack, root) {
  const found = stack.split('\n').map((line) => /(?:file:\/\/)?(\/[^\s():]+):\d+/.exec(line)?.[1]);
  return found.find((path) => path?.startsWith(`${root}/`));
}

/** A module that was not found, and that the app names when it ends. */
function named(notes, log) {
  const end = [...notes.filter((note) => note.died).map((note) => `${note.died.message}`), ...log.slice(-5)].join('\n');
  const sought = notes.map((note) => note.sought).filter((name) => name !== undefined);
  return sought.find((name) => name.length > 2 && ['"', "'", '`'].some((quote) => end.includes(quote + name + quote)));
}

/** What a validator misses (zod): its message is a list, in JSON. */
function listed(message) {
  let list;
  try { list = JSON.parse(message); } catch { return undefined; }
  const issues = Array.isArray(list) ? list.filter((issue) => typeof issue?.message === 'string') : [];
  const texts = issues.map(({ path, message }) => (Array.isArray(path) && path.length > 0 ? `${path.join('.')}: ${message}` : message));
  return texts.length > 0 ? texts.join('; ') : undefined;
}

/** The last lines of the error that ended the app, or of its log. */
function last(notes, log) {
  const died = notes.filter((note) => note.died).at(-1)?.died;
  const logged = log.filter((line) => /[a-z]/i.test(line) && !/^\s+at /.test(line));
  const errors = logged.filter((line) => /^\s*(?:\w*Error\b|error:)/i.test(line));
  const lines = `${died?.message ?? ''}`.split('\n').map((line) => line.trim()).filter((line) => line !== '');
  const words = died ? listed(died.message) ?? lines.find((line) => /[a-z]/i.test(line)) ?? lines[0] : errors.at(-1) ?? logged.at(-1);
  // What a logger writes before the error's own words says nothing.
  const own = /\b\w*Error: \S.*$/.exec(words ?? '')?.[0];
  return (own ?? words)?.trim().slice(0, 200);
}
