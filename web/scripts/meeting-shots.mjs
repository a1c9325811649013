/** Pictures of a meeting from the lobby to the summary, to look at:
 * `node scripts/meeting-shots.mjs [folder] [only]`, where `only` is one such as `phone-dark` or `rtl`. */
import { execFileSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { livekit, PYTHON } from '../e2e/support/livekit.mjs';
import { atTheDoor, call, host, openAs, seesMoving, tile } from '../e2e/support/meeting.mjs';
import { world } from '../e2e/support/world.mjs';

const SIZES = { phone: [390, 844], laptop: [1280, 800], wide: [1920, 1080] };
const COMPANY = ['Chiara Rossi', 'David Kim', 'Elif Yılmaz', 'Farid Nazari', 'Greta Holm'];
const CROWD = Array.from({ length: 30 }, (_, index) => `Guest ${index + 1}`);

const [folder = 'e2e/shots', only] = process.argv.slice(2);
await mkdir(folder, { recursive: true });
const camera = join(tmpdir(), 'convo-camera.y4m');
execFileSync(PYTHON, [new URL('../e2e/support/figure.py', import.meta.url).pathname, camera]);
const convo = await world({}, [`--use-file-for-fake-video-capture=${camera}`]);
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
  await bob.addInitScript(slides);
  await atTheDoor(bob, person.code, 'Bob Ray');
  await bob.getByRole('button', { name: 'Turn off camera' }).click();
  await bob.getByRole('button', { name: 'Join now' }).click();
  await tile(ann, 'Bob Ray').waitFor();
  await shoot('two');
  const { tokens, page: crowd } = await company(bob, person.code, COMPANY);
  // All but the last have a camera.
  const clients = await livekit(convo.url, tokens.slice(0, -1));
  for (const name of COMPANY.slice(0, -1)) await seesMoving(tile(ann, name));
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
  await seesMoving(ann.locator('li[data-screen]'));
  await shoot('shared');
  await bob.getByRole('toolbar').getByRole('button', { name: 'Stop sharing your screen' }).click();
  await ann.locator('li[data-screen]').waitFor({ state: 'detached' });
  await company(bob, person.code, CROWD);
  await shoot('crowd');
  await ann.keyboard.press('?');
  await shoot('keys');
  await ann.keyboard.press('Escape');
  await clients.end();
  await bob.context().close();
  await ann.context().close();
}

/** In the page: a screen to share, where there is none. */
function slides() {
  const canvas = Object.assign(document.createElement('canvas'), { width: 1280, height: 720 });
  const context = canvas.getContext('2d');
  const write = (font, colour, text, x, y) => {
    Object.assign(context, { font, fillStyle: colour });
    context.fillText(text, x, y);
  };
  let pictures = 0;
  const draw = () => {
    context.fillStyle = '#fbfaf7';
    context.fillRect(0, 0, 1280, 720);
    write('600 64px sans-serif', '#22242c', 'Design review', 96, 150);
    const points = [
      'What people told us',
      'The new start page',
      'Colours, light and dark',
      'What comes next',
    ];
    for (const [index, point] of points.entries()) {
      write('36px sans-serif', '#4a4d59', `${index + 1}   ${point}`, 96, 280 + index * 80);
    }
    for (let bar = 0; bar < 5; bar++) {
      const height = 120 + 60 * bar + 40 * Math.sin(pictures / 6 + bar);
      context.fillStyle = ['#4350d9', '#5f6be0', '#7b85e6', '#98a0ec', '#b6bbf2'][bar];
      context.fillRect(740 + bar * 90, 600 - height, 64, height);
    }
    pictures++;
  };
  navigator.mediaDevices.getDisplayMedia = async () => {
    draw();
    setInterval(draw, 125);
    return canvas.captureStream(8);
  };
}

/** Guests: a join and a line each. Answers with their tokens and the page that holds their lines. */
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
  return { tokens, page: other };
}
