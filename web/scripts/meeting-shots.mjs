/** Pictures of a meeting from the lobby to the summary, to look at:
 * `node scripts/meeting-shots.mjs [folder] [only]`, where `only` is one such as `phone-dark` or `rtl`. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { atTheDoor, call, goIn, host, openAs, seesMoving, tile } from '../e2e/support/meeting.mjs';
import { world } from '../e2e/support/world.mjs';

const SIZES = { phone: [390, 844], laptop: [1280, 800], wide: [1920, 1080] };
const COMPANY = ['Chiara Rossi', 'David Kim', 'Elif Yılmaz', 'Farid Nazari', 'Greta Holm'];
const CROWD = Array.from({ length: 30 }, (_, index) => `Guest ${index + 1}`);

const [folder = 'e2e/shots', only] = process.argv.slice(2);
await mkdir(folder, { recursive: true });
const convo = await world();
try {
  for (const colorScheme of ['light', 'dark']) {
    for (const [size, [width, height]] of Object.entries(SIZES)) {
      await shootMeeting(`${size}-${colorScheme}`, { colorScheme, viewport: { width, height } });
    }
  }
  await shootMeeting('rtl', { viewport: { width: 1280, height: 800 } }, 'ar');
} finally {
  await convo.end();
}

async function shootMeeting(suffix, options, locale = 'en') {
  if (only && only !== suffix) return;
  const person = await host(convo, { title: 'Design review' });
  const ann = await openAs(convo, person, options);
  await ann.addInitScript((locale) => localStorage.setItem('convo.locale', JSON.stringify(locale)), locale);
  const shoot = async (name) => {
    await ann.waitForTimeout(500); // animations
    await ann.screenshot({ path: join(folder, `meeting-${name}-${suffix}.png`) });
  };
  await atTheDoor(ann, person.code);
  await ann.locator('video').waitFor();
  await shoot('lobby');
  await ann.locator('form button[type=submit]').click();
  await ann.getByRole('toolbar').waitFor();
  await shoot('alone');

  const bob = await convo.open();
  await goIn(bob, person.code, 'Bob Ray');
  await seesMoving(ann, tile(ann, 'Bob Ray'));
  await shoot('two');
  const crowd = await company(bob, person.code, COMPANY);
  await tile(ann, 'Greta Holm').waitFor();
  await crowd.evaluate(() => {
    const tell = (index, type, data) => globalThis.lines[index].send(JSON.stringify({ type, data }));
    tell(1, 'raise_hand', { raised: true });
    tell(3, 'raise_hand', { raised: true });
    tell(0, 'chat_message', { content: 'Good morning everybody' });
    tell(1, 'chat_message', {
      content: 'The drafts: https://example.com/drafts, **have a look** before we begin',
    });
    tell(0, 'reaction', { emoji: '👏' });
  });
  await shoot('seven');
  await ann.keyboard.press('c');
  await shoot('chat');
  await ann.keyboard.press('Escape');
  await ann.keyboard.press('p');
  await shoot('people');
  await ann.keyboard.press('Escape');
  await bob.getByRole('button', { name: 'Share your screen' }).click();
  await ann.locator('li[data-screen] video').waitFor();
  await shoot('shared');
  await bob.getByRole('toolbar').getByRole('button', { name: 'Stop sharing your screen' }).click();
  await ann.locator('li[data-screen]').waitFor({ state: 'detached' });
  await company(bob, person.code, CROWD);
  await shoot('crowd');
  await ann.keyboard.press('?');
  await shoot('keys');
  await ann.keyboard.press('Escape');
  await bob.context().close();
  await ann.context().close();
}

/** Guests without cameras: a join and a line each. Answers with the page that holds their lines. */
async function company(page, code, names) {
  const tokens = [];
  for (const user_name of names) {
    tokens.push((await call(convo, `/api/v1/meetings/${code}/join`, { user_name })).token);
  }
  const other = await page.context().newPage();
  await other.goto('/');
  await other.evaluate(
    ({ tokens, code }) => {
      globalThis.lines = tokens.map(
        (token) => new WebSocket(`ws://${location.host}/ws/meetings/${code}?token=${token}`),
      );
    },
    { tokens, code },
  );
  await other.waitForFunction(() => globalThis.lines.every((line) => line.readyState === 1));
  return other;
}
