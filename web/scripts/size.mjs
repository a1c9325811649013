/** What a browser loads before a meeting is entered, compressed, held to its limit: `npm run size` after a build. */
import { readdir, readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';

/** KB of the first load: scripts, styles and messages of the largest page outside of a meeting. */
const LIMIT = 300;

const dist = new URL('../dist/', import.meta.url);
const html = await readFile(new URL('index.html', dist), 'utf8');
const first = [...html.matchAll(/(?:src|href)="\/(assets\/[^"]+|boot\.js)"/g)].map(([, path]) => path);
const onDemand = /(MeetingPage|livekit|socket\.io)/;
const files = await readdir(new URL('assets/', dist));
const rest = files
  .map((file) => `assets/${file}`)
  .filter((file) => !first.includes(file) && !onDemand.test(file));
const [start, all] = [await weigh(first), await weigh([...first, ...rest])];
console.log(
  `at once ${start} KB; with every page and language outside of meetings ${all} KB; limit ${LIMIT} KB`,
);
process.exit(start > LIMIT ? 1 : 0);

async function weigh(paths) {
  const sizes = await Promise.all(
    paths.map(async (path) => gzipSync(await readFile(new URL(path, dist))).length),
  );
  return Math.round(sizes.reduce((sum, size) => sum + size, 0) / 1000);
}
