// Runs inside of the built-in base, and prints what works there. `KEY` and `CERTIFICATE` are a server's, which nobody trusts by default.
const { spawnSync } = require('node:child_process');
const { X509Certificate } = require('node:crypto');
const dns = require('node:dns/promises');
const fs = require('node:fs');
const os = require('node:os');
const tls = require('node:tls');

const [key, cert] = process.argv.slice(1);
const client = `
  const socket = require('node:tls').connect({ port: process.env.PORT, host: 'localhost', servername: 'localhost' });
  socket.on('secureConnect', () => { console.log('connected'); socket.end(); });
  socket.on('error', (error) => console.log(error.code));`;

function connect(port, flags, env) {
  return new Promise((resolve) => {
    const { spawn } = require('node:child_process');
    // By its name: it is on the path.
    const child = spawn('node', [...flags, '-e', client], { env: { ...process.env, PORT: port, ...env } });
    let out = '';
    child.stdout.on('data', (data) => (out += data));
    child.on('close', () => resolve(out.trim()));
  });
}

async function main() {
  const { username, uid, gid, homedir } = os.userInfo();
  console.log('user', username, uid, gid, homedir, process.cwd());
  fs.writeFileSync('/tmp/authority.pem', cert);
  fs.writeFileSync(`${homedir}/file`, '');
  console.log('zone', spawnSync('node', ['-p', 'new Date(0).toString()'], { env: { ...process.env, TZ: 'Europe/Berlin' } }).stdout.toString().trim());
  console.log('intl', new Intl.DateTimeFormat('de', { dateStyle: 'full', timeZone: 'UTC' }).format(0));
  // Which of the two comes first is the engine's network's business.
  console.log('dns', ['127.0.0.1', '::1'].includes((await dns.lookup('localhost')).address), (await dns.lookup('registry.npmjs.org')).address ? 'found' : '');
  const bundle = fs.readFileSync(process.env.SSL_CERT_FILE, 'latin1').match(/-----BEGIN[^]*?END CERTIFICATE-----/g);
  console.log('authorities', bundle.map((text) => new X509Certificate(text)).length > 100);
  const server = tls.createServer({ key, cert }, (socket) => socket.on('error', () => {}).end());
  server.on('tlsClientError', () => {});
  await new Promise((resolve) => server.listen(0, resolve));
  const { port } = server.address();
  console.log('tls', await connect(port, [], {}));
  console.log('tls, openssl', await connect(port, ['--use-openssl-ca'], {}));
  console.log('tls, added', await connect(port, [], { NODE_EXTRA_CA_CERTS: '/tmp/authority.pem' }));
  console.log('tls, openssl, added', await connect(port, ['--use-openssl-ca'], { SSL_CERT_FILE: '/tmp/authority.pem' }));
  server.close();
}
main();
