import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { meet, seesMoving, tile } from './support/meeting.mjs';
import { world } from './support/world.mjs';

const KEYS = { LIVEKIT_API_KEY: 'operator', LIVEKIT_API_SECRET: 'a-secret-of-thirty-two-bytes-or-more' };

let livekit;
let convo;
before(async () => {
  livekit = await world(KEYS);
  convo = await world({ ...KEYS, LIVEKIT_URL: livekit.url.replace('http', 'ws') });
});
after(async () => {
  await convo.end();
  await livekit.end();
});

test('with an existing LiveKit server the app meets there, and survives that it restarts', async () => {
  const bob = await convo.openElsewhere();
  const ann = await meet(convo, bob);
  await seesMoving(tile(bob, 'Ann Lee'));
  for (const page of [ann, bob]) assert.deepEqual(page.wrongs, []);

  await livekit.restart();
  for (const page of [ann, bob]) {
    await page.getByText('Connection lost.').waitFor({ state: 'detached', timeout: 60_000 });
  }
  await seesMoving(tile(ann, 'Bob'));
  await seesMoving(tile(bob, 'Ann Lee'));
  for (const page of [ann, bob]) await page.context().close();
});

test('who is not let in by WebSocket is told why by HTTP', async () => {
  const page = await convo.open();
  await page.goto('/');
  const status = (url) => fetch(url).then((answer) => answer.status);
  assert.equal(await page.evaluate(status, `${livekit.url}/rtc/v1/validate?access_token=old`), 401);
  await page.context().close();
});
