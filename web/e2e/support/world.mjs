/** The server as its users have it, with an empty database, the built app and the media in it; and a browser. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { ARGUMENTS } from './chromium.mjs';

const BINARY = process.env.CONVO_BIN ?? new URL('../../../target/debug/convo', import.meta.url).pathname;
const AXE = await readFile(new URL('../../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');

/**
 * `env`: more of the server's configuration; `args`: of the browser's. Answers with `url`, `open(options)` for a page in a session of its
 * own, `code(address)` for the verification code that was mailed there last, and `end()`.
 */
export async function world(env = {}, args = []) {
  const data = await mkdtemp(join(tmpdir(), 'convo-web-'));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const configuration = {
    CONVO_DATA_DIR: data,
    CONVO_LISTEN: `127.0.0.1:${port}`,
    CONVO_RATE_LIMIT: 'off',
    CONVO_MEDIA_UDP: '0',
    CONVO_MEDIA_TCP: '0',
    CONVO_TURN: '0',
    ...env,
  };
  const serve = () => start(['serve'], `${url}/readyz`, configuration);
  let server = await serve();
  const browser = await launch(args);
  const others = [];
  const media = configuration.LIVEKIT_URL ?? process.env.LIVEKIT_URL;
  const hosts = [url, media].filter(Boolean).map((each) => new URL(each).host);
  return {
    url,
    data,
    browser,
    open: (options) => open(browser, url, hosts, options),
    /** In a browser of its own, that is, with cameras of its own. */
    async openElsewhere(options) {
      others.push(await launch(args));
      return open(others.at(-1), url, hosts, options);
    },
    code: (address) => code(data, address),
    async restart() {
      await stop(server);
      server = await serve();
    },
    async end() {
      for (const each of [browser, ...others]) await each.close();
      await stop(server);
      await rm(data, { recursive: true, force: true });
    },
  };
}

function launch(args) {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      ...ARGUMENTS,
      // Few pictures a second, but moving: the tests share their processors with encoders and decoders.
      '--use-fake-device-for-media-stream=device-count=2,fps=8',
      '--use-fake-ui-for-media-stream',
      // What is shared when a screen is asked for: this tab, there is no screen.
      '--auto-select-tab-capture-source-by-title=Convo',
      ...args,
    ],
  });
}

async function code(data, address) {
  const outbox = join(data, 'outbox');
  const mails = await Promise.all(
    (await readdir(outbox))
      .filter((file) => !file.startsWith('.'))
      .sort()
      .map((file) => readFile(join(outbox, file), 'utf8')),
  );
  const mail = mails.findLast((mail) => mail.includes(address));
  return /code is:\s+(\S+)/.exec(mail)[1];
}

/** A page of somebody's own browser. What no page may do (another host, an error in the console) is in `page.wrongs`. */
async function open(browser, url, hosts, options = {}) {
  const context = await browser.newContext({
    baseURL: url,
    locale: 'en-GB',
    timezoneId: 'Europe/Berlin',
    ...options,
  });
  context.setDefaultTimeout(60_000);
  const page = await context.newPage();
  page.wrongs = [];
  page.on('request', (request) => {
    const { protocol, host } = new URL(request.url());
    if (!['data:', 'blob:'].includes(protocol) && !hosts.includes(host)) {
      page.wrongs.push(`asked another host: ${request.url()}`);
    }
  });
  page.on('pageerror', (error) => page.wrongs.push(`threw: ${error}`));
  page.on('console', (message) => {
    // The browser itself reports every refusal by the server as an error.
    const refused = /Failed to load resource/.test(message.text());
    if (message.type() === 'error' && !refused) page.wrongs.push(`console: ${message.text()}`);
  });
  return page;
}

/**
 * What axe finds against WCAG 2.2 AA, in words. Base UI's focus guards are left out: nobody's focus stays on them, they
 * hand it on to where it belongs.
 */
export async function violations(page) {
  await settled(page);
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run(
      { exclude: ['[data-base-ui-focus-guard]'] },
      { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] },
    ),
  );
  return violations.map(
    ({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.html).join(' | ')}`,
  );
}

/** Waits until what fades or slides is where it goes; what moves for ever may. */
export function settled(page) {
  // No `waitForFunction`: it takes the promise of an answer for a yes.
  return page.evaluate(async () => {
    // What is about to begin shows how it begins, until the library takes that away.
    const still = () =>
      !document.querySelector('[data-starting-style], [data-ending-style]') &&
      document
        .getAnimations()
        .every(
          ({ effect, playState }) => playState !== 'running' || effect.getTiming().iterations === Infinity,
        );
    const picture = () => new Promise(requestAnimationFrame);
    const end = performance.now() + 60_000;
    do {
      if (performance.now() > end) throw new Error('the page does not come to rest');
      // What has just been asked for begins with the next picture.
      await picture();
      await picture();
    } while (!still());
  });
}

async function start(args, ready, env) {
  const child = spawn(BINARY, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text));
  const deadline = Date.now() + 60_000;
  while (Date.now() < deadline && child.exitCode === null) {
    if (
      await fetch(ready).then(
        (response) => response.ok,
        () => false,
      )
    )
      return child;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  child.kill();
  throw new Error(`${BINARY} did not start: ${said}`);
}

async function stop(child) {
  if (child.exitCode !== null) return;
  child.kill();
  await once(child, 'exit');
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return port;
}
