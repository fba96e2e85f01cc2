// Opens a page in Chromium and uses it as a person would: node page.mjs CHROMIUM PAGE SHOTS
// Prints what it saw as JSON. Speaks the protocol of the browser's developer tools, for which node has all that is needed.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [chromium, page, shots] = process.argv.slice(2);
const profile = mkdtempSync(join(tmpdir(), 'slimbuild-test-page-'));
const flags = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--remote-debugging-port=0', `--user-data-dir=${profile}`];
// What it does not clear away lies in the profile, which goes.
const env = { ...process.env, TMPDIR: profile };
const browser = spawn(chromium, [...flags, 'about:blank'], { env, stdio: ['ignore', 'ignore', 'pipe'] });
const address = await new Promise((found, failed) => {
  let said = '';
  browser.stderr.on('data', (piece) => { said += piece; const match = /listening on (ws:\S+)/.exec(said); if (match) found(match[1]); });
  browser.on('exit', (code) => failed(new Error(`the browser ended with ${code}: ${said}`)));
});
const targets = await (await fetch(`http://${new URL(address).host}/json`)).json();
const socket = new WebSocket(targets.find((one) => one.type === 'page').webSocketDebuggerUrl);
await new Promise((open) => socket.addEventListener('open', open));
const waiting = new Map();
const trouble = [];
let number = 0;
socket.addEventListener('message', ({ data }) => {
  const answer = JSON.parse(data);
  if (answer.method === 'Runtime.exceptionThrown') trouble.push(answer.params.exceptionDetails.exception?.description ?? answer.params.exceptionDetails.text);
  if (answer.method === 'Log.entryAdded') trouble.push(answer.params.entry.text);
  if (answer.method === 'Network.requestWillBeSent' && !answer.params.request.url.startsWith('file:')) trouble.push(answer.params.request.url);
  waiting.get(answer.id)?.(answer);
});
const ask = (method, params = {}) => new Promise((done, failed) => {
  number += 1;
  waiting.set(number, (answer) => (answer.error ? failed(new Error(`${method}: ${answer.error.message}`)) : done(answer.result)));
  socket.send(JSON.stringify({ id: number, method, params }));
});
const evaluate = async (expression) => {
  const { result, exceptionDetails } = await ask('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true });
  if (exceptionDetails) throw new Error(exceptionDetails.exception?.description);
  return result.value;
};
const settle = () => evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');
const press = async (key) => {
  const text = { Enter: '\r' }[key];
  const code = { Enter: 13, Escape: 27, Tab: 9, ArrowRight: 39 }[key];
  for (const type of ['keyDown', 'keyUp']) await ask('Input.dispatchKeyEvent', { type, key, code: key, text: type === 'keyDown' ? text : undefined, windowsVirtualKeyCode: code });
  await settle();
};
const look = (width, height, scheme) => Promise.all([
  ask('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: width < 600 }),
  ask('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] }),
]);
const shoot = async (name) => {
  await settle();
  const { data } = await ask('Page.captureScreenshot', { captureBeyondViewport: true });
  writeFileSync(join(shots, `${name}.png`), Buffer.from(data, 'base64'));
};
const state = `(() => { const map = document.querySelector('.map'); const buttons = [...map.children]; const box = map.getBoundingClientRect(); return {
  path: [...document.querySelectorAll('nav')[0].children].map((one) => one.textContent), parts: buttons.length, first: buttons[0]?.ariaLabel,
  focused: document.activeElement?.ariaLabel ?? document.activeElement?.tagName, detail: document.querySelector('.detail').textContent,
  covered: buttons.reduce((sum, one) => sum + parseFloat(one.style.width) * parseFloat(one.style.height), 0) / (map.clientWidth * map.clientHeight),
  wide: document.documentElement.scrollWidth <= innerWidth, views: document.querySelectorAll('.map').length, font: parseFloat(getComputedStyle(document.body).fontSize) }; })()`;
const seen = {};
try {
  for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await ask(`${domain}.enable`);
  await look(1280, 900, 'light');
  await ask('Page.navigate', { url: pathToFileURL(page).href });
  for (let tries = 0; tries < 100 && !(await evaluate(`document.querySelectorAll('.map button').length`)); tries += 1) await new Promise((done) => setTimeout(done, 50));
  await settle();
  seen.start = await evaluate(state);
  await shoot('1280-light');
  await evaluate(`document.querySelector('.map button').focus()`);
  await press('Enter');
  seen.layer = await evaluate(state);
  await shoot('1280-layer');
  await press('ArrowRight');
  seen.next = await evaluate(state);
  await press('Enter');
  seen.package = await evaluate(state);
  await press('Escape');
  seen.back = await evaluate(state);
  await press('Escape');
  await evaluate(`(() => { const search = document.getElementById('search'); search.focus(); search.value = 'ajv'; search.dispatchEvent(new Event('input')); })()`);
  await settle();
  seen.found = await evaluate(`[...document.querySelectorAll('#results button')].map((one) => one.textContent)`);
  await shoot('1280-search');
  await press('Enter');
  seen.chosen = await evaluate(state);
  await look(390, 844, 'dark');
  await evaluate(`(() => { const search = document.getElementById('search'); search.value = ''; search.dispatchEvent(new Event('input')); document.querySelector('nav button').click(); })()`);
  await shoot('390-dark');
  seen.phone = await evaluate(state);
  seen.trouble = trouble;
  console.log(JSON.stringify(seen));
} finally {
  socket.close();
  browser.removeAllListeners('exit');
  const ended = new Promise((done) => browser.on('exit', done));
  browser.kill();
  await ended;
  rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}
