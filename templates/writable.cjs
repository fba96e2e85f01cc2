// Creates directories of the image that its user may write to. The directories and everything in them then belong to this user. What it creates has a
// fixed time.
//
//   node writable.cjs UID:GID DIRECTORY...
'use strict';
const fs = require('node:fs');
const { dirname, join } = require('node:path');

const [owner, ...directories] = process.argv.slice(2);
const [user, group] = owner.split(':').map(Number);

function own(path) {
  fs.lchownSync(path, user, group);
  if (!fs.lstatSync(path).isDirectory()) return;
  for (const name of fs.readdirSync(path)) own(join(path, name));
}

for (const directory of directories) {
  const made = [];
  let above = directory;
  for (; !fs.existsSync(above); above = dirname(above)) made.unshift(above);
  const { mtime } = fs.lstatSync(above);
  for (const path of made) fs.mkdirSync(path, { mode: 0o755 });
  for (const path of made) fs.utimesSync(path, 0, 0);
  fs.utimesSync(above, mtime, mtime);
  own(directory);
}
