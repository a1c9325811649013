/** People who come with LiveKit's own client for Python (tests/.venv has it). */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export const PYTHON =
  process.env.PYTHON ?? new URL('../../../tests/.venv/bin/python', import.meta.url).pathname;
const CLIENT = new URL('livekit_client.py', import.meta.url).pathname;
const WITHIN = 60_000;

/**
 * Connects as many as there are meeting tokens; each shows a moving picture. Answers with `say(text, who)`, `hears(what, who)`
 * (waits for `{ from, text }` or `{ sees }`), and `end()`.
 */
export async function livekit(url, tokens) {
  const child = spawn(PYTHON, [CLIENT, url, ...tokens], { stdio: ['pipe', 'pipe', 'inherit'] });
  const told = [];
  const waiting = new Set();
  createInterface({ input: child.stdout }).on('line', (line) => {
    told.push(JSON.parse(line));
    for (const look of waiting) look();
  });
  const hears = (what, who = 0) => {
    const wanted = Object.entries({ who, ...what });
    const found = () => told.some((one) => wanted.every(([key, value]) => one[key] === value));
    return new Promise((resolve, reject) => {
      const done = (settle, value) => {
        clearTimeout(timer);
        waiting.delete(look);
        settle(value);
      };
      const look = () => found() && done(resolve);
      const late = () => new Error(`not heard: ${JSON.stringify(what)}; but ${JSON.stringify(told)}`);
      const timer = setTimeout(() => done(reject, late()), WITHIN);
      waiting.add(look);
      look();
    });
  };
  for (const who of tokens.keys()) await hears({ connected: true }, who);
  return {
    say: (text, who = 0) => child.stdin.write(`${JSON.stringify({ who, text })}\n`),
    hears,
    async end() {
      child.stdin.end();
      if (child.exitCode === null) await once(child, 'exit');
    },
  };
}
