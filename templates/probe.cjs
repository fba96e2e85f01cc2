// Asks from inside a container whether its program is up: node -e PROBE PORT PATH [ADDRESS]. If the port is empty, the probe finds it. If the path is
// empty, the probe only connects. ADDRESS is the container's, for cases where no interface has it.
// It ends when the program is up. Until then it prints what is still wrong, once per change.
const fs = require('fs'), http = require('http'), net = require('net'), os = require('os');
const [wanted, path, address] = process.argv.slice(1);
const own = address ? { address } : Object.values(os.networkInterfaces()).flat().find((one) => !one.internal && one.family === 'IPv4');
// Nobody outside can reach 127.0.0.1.
const host = own ? own.address : '127.0.0.1';
let said;
const say = (line) => { if (line !== said) console.log(said = line); };

/** Ports that something listens on: reachable from outside, or only inside the container. */
function listening() {
  const ports = new Map();
  for (const file of ['/proc/net/tcp', '/proc/net/tcp6']) {
    let lines = [];
    try { lines = fs.readFileSync(file, 'utf8').split('\n').slice(1); } catch { /* no such protocol */ }
    for (const line of lines) {
      const [, local, , state] = line.trim().split(/\s+/);
      if (state !== '0A') continue;
      const [address, port] = local.split(':');
      const inside = /^(0100007F|0{24}01000000|0{16}FFFF00000100007F)$/.test(address);
      const number = parseInt(port, 16);
      ports.set(number, (ports.get(number) ?? true) && inside);
    }
  }
  return ports;
}

function connect(port) {
  return new Promise((resolve) => {
    const socket = net.connect({ port, host, timeout: 2000 }, () => { socket.destroy(); resolve(true); });
    const fail = () => { socket.destroy(); resolve(false); };
    socket.on('error', fail).on('timeout', fail);
  });
}

function get(port) {
  return new Promise((resolve) => {
    const request = http.get({ port, host, path, timeout: 5000, headers: { host: 'localhost' } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.on('error', () => resolve(0)).on('timeout', () => request.destroy());
  });
}

async function ask() {
  const ports = listening();
  const open = [...ports].filter(([, inside]) => !inside || !own).map(([port]) => port);
  const asked = wanted ? [Number(wanted)] : open;
  for (const port of asked) {
    if (!(await connect(port))) continue;
    if (!path) { say(`port ${port} is open`); return true; }
    const status = await get(port);
    say(status ? `GET ${path} on port ${port} answers ${status}` : `port ${port} is open, and does not answer GET ${path}`);
    if (status >= 200 && status < 400) return true;
  }
  if (asked.some((port) => ports.get(port) === false)) return false;
  const closed = [...ports].filter(([port, inside]) => inside && own && (!wanted || port === Number(wanted))).map(([port]) => port);
  if (closed.length > 0) say(`it listens on 127.0.0.1:${closed[0]}, where nobody outside of the container can reach it: let it listen on 0.0.0.0`);
  else if (wanted) say(`nothing listens on port ${wanted}${open.length > 0 ? `, but on ${open.join(', ')}` : ''}`);
  else if (ports.size === 0) say('it listens on no port');
  return false;
}

(async () => {
  while (!(await ask())) await new Promise((resolve) => setTimeout(resolve, 150));
})();
