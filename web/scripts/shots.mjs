/**
 * Pictures of the main pages, in both colour schemes and three widths, to look at: `node scripts/shots.mjs [folder]
 * [page …]`.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openAs, person } from '../e2e/support/accounts.mjs';
import { model } from '../e2e/support/model.mjs';
import { world } from '../e2e/support/world.mjs';

const SIZES = { phone: [390, 844], laptop: [1280, 800], wide: [1920, 1080] };
const [folder = 'e2e/shots', ...wanted] = process.argv.slice(2);
await mkdir(folder, { recursive: true });

const ai = await model();
const convo = await world({ AI_BASE_URL: ai.url, AI_MODEL: 'test' });

try {
  const scene = await arrange();
  for (const colorScheme of ['light', 'dark']) {
    for (const [size, [width, height]] of Object.entries(SIZES)) {
      await shootAll(scene, `${size}-${colorScheme}`, { colorScheme, viewport: { width, height } });
    }
  }
} finally {
  await convo.end();
  await ai.end();
}

async function shootAll({ ann, lobby, talk, answer }, suffix, options) {
  const shoot = async (page, name) => {
    if (wanted.length > 0 && !wanted.includes(name)) return;
    await page.waitForTimeout(400); // animations
    await page.screenshot({ path: join(folder, `${name}-${suffix}.png`) });
  };
  const nobody = await convo.open(options);
  for (const [name, path] of [
    ['welcome', '/'],
    ['register', '/register'],
  ]) {
    await nobody.goto(path);
    await nobody.getByRole('heading', { level: 1 }).waitFor();
    await shoot(nobody, name);
  }
  await nobody.getByRole('button', { name: 'Create account' }).click();
  await shoot(nobody, 'register-problems');
  await nobody.context().close();

  const page = await openAs(convo, ann, '/', options);
  await page.evaluate((seen) => localStorage.setItem(`convo.read.${seen.id}`, JSON.stringify(seen.marks)), {
    id: ann.id,
    marks: { [lobby]: 5, [talk]: 1, [answer]: 2 },
  });
  const pages = [
    ['home', '/', () => page.getByRole('link', { name: /Lobby/ })],
    ['schedule', '/schedule'],
    ['settings', '/settings'],
    ['chat', '/chat', () => page.getByRole('link', { name: /Lobby/ })],
    ['chat-room', `/chat/${lobby}`, () => page.getByRole('log').getByText(/coffee/)],
    ['chat-talk', `/chat/${talk}`, () => page.getByRole('log').getByText(/See you/)],
    ['chat-assistant', `/chat/${answer}`, () => page.getByRole('log').getByText(/standard library/)],
  ];
  for (const [name, path, ready = () => page.getByRole('heading', { level: 1 })] of pages) {
    await page.goto(path);
    await ready().first().waitFor();
    await shoot(page, name);
  }
  await page.getByRole('button', { name: /^Account/ }).click();
  await shoot(page, 'menu');
  await page.goto('/');
  await page.getByRole('button', { name: 'More about Design review' }).click();
  await page.getByRole('menuitem', { name: 'Invitation' }).click();
  await page.getByRole('button', { name: 'Add to calendar' }).waitFor();
  await shoot(page, 'invitation');
  await page.evaluate(() => localStorage.setItem('convo.locale', '"ar"'));
  for (const [name, path, ready] of [pages[0], pages[4]]) {
    await page.goto(path);
    await ready().first().waitFor();
    await shoot(page, `${name}-ar`);
  }
  await page.context().close();
}

/** People, meetings and chats as on any day. */
async function arrange() {
  const url = convo.url;
  const ann = await person(url, 'Ann', 'Lee');
  const ben = await person(url, 'Ben', 'Okafor');
  const mia = await person(url, 'Mia', 'Chen');
  await plan(ann);
  const lobby = await room(ann, [ben, mia]);
  const talk = await conversation(ann, mia);
  const answer = await question(ann);
  return { ann, lobby, talk, answer };
}

async function plan(ann) {
  const hour = 3_600_000;
  const meetings = [
    ['Design review', 1, 1],
    ['Interview with a rather long title that has to be cut somewhere, or not', 3, 0.5],
    ['Weekly team stand-up', 25, 0.5],
    ['Retrospective', 97, 1.5],
  ];
  for (const [title, start, length] of meetings) {
    const from = Math.ceil(Date.now() / hour) * hour + (start - 1) * hour;
    const scheduled_start_time = new Date(from).toISOString();
    const scheduled_end_time = new Date(from + length * hour).toISOString();
    await ann.call('/api/v1/meetings', { body: { title, scheduled_start_time, scheduled_end_time } });
  }
  const { meeting_id } = await ann.call('/api/v1/meetings', { body: { title: 'Coffee' } });
  await ann.call(`/api/v1/meetings/${meeting_id}/join`, { body: {} });
}

async function room(ann, others) {
  const { id } = await ann.call('/api/chatroom/', { body: { name: 'Lobby' } });
  const [ben, mia] = others;
  for (const other of others) await other.call(`/api/chatroom/${id}/join`, { method: 'POST' });
  const said = [
    [ben, 'Morning! The new build is up at https://build.example.org/convo/412'],
    [ben, 'Deploys at noon if nobody objects.'],
    [mia, 'No objection. I ran it last night with `--workers 4` and it stayed **flat** at 41 MB.'],
    [ann, 'Lovely. I will write the notes.'],
    [mia, 'For the notes:\n```\nconvo serve --data /srv/convo\nconvo doctor\n```'],
    [ann, 'Done: [the notes](https://notes.example.org/release/412)'],
    [mia, 'I bring coffee ☕'],
  ];
  for (const [who, message] of said) await who.call('/api/message/', { body: { chatroomId: id, message } });
  return id;
}

async function conversation(ann, mia) {
  const request = { is_ai: false, participant_ids: [mia.id] };
  const { conversation_id } = await ann.call('/api/conversations', { body: request });
  const said = [
    [ann, 'Do you have ten minutes before the review?'],
    [mia, 'Sure, come by.'],
    [mia, 'See you at ten.'],
  ];
  for (const [who, message] of said) {
    await who.call('/api/messages/', { body: { conversation_id, message } });
  }
  return conversation_id;
}

async function question(ann) {
  const body = { is_ai: true, title: 'How do I sort a list in Python by…' };
  const { conversation_id } = await ann.call('/api/conversations', { body });
  const message = 'How do I sort a list in Python by the length of its words?';
  await ann.call('/api/messages/', { body: { conversation_id, message } });
  await ai.question();
  ai.say('Give `sorted` a **key**:\n```python\nwords = sorted(words, key=len)\n```\n');
  ai.say('It is part of the standard library, and keeps the order of words of the same length.');
  ai.finish();
  return conversation_id;
}
