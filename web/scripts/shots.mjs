/** Pictures of the main pages, in both colour schemes and three widths, to look at: `node scripts/shots.mjs [folder]`. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { world } from '../e2e/support/world.mjs';

const SIZES = { phone: [390, 844], laptop: [1280, 800], wide: [1920, 1080] };
const folder = process.argv[2] ?? 'e2e/shots';
await mkdir(folder, { recursive: true });

const convo = await world();

try {
  await shootAll();
} finally {
  await convo.end();
}

async function shootAll() {
  const ann = await account('ann@example.com', 'Ann', 'Lee');
  await plan(ann);
  for (const colorScheme of ['light', 'dark']) {
    for (const [size, [width, height]] of Object.entries(SIZES)) {
      const page = await convo.open({ colorScheme, viewport: { width, height } });
      const shoot = async (name) => {
        await page.waitForTimeout(400); // animations
        await page.screenshot({ path: join(folder, `${name}-${size}-${colorScheme}.png`) });
      };
      for (const [name, path] of [
        ['welcome', '/'],
        ['register', '/register'],
      ]) {
        await page.goto(path);
        await page.getByRole('heading', { level: 1 }).waitFor();
        await shoot(name);
      }
      await page.getByRole('button', { name: 'Create account' }).click();
      await shoot('register-problems');
      await page.evaluate((tokens) => localStorage.setItem('convo.session', JSON.stringify(tokens)), ann);
      for (const [name, path] of [
        ['home', '/'],
        ['schedule', '/schedule'],
        ['settings', '/settings'],
      ]) {
        await page.goto(path);
        await page.getByRole('heading', { level: 1 }).waitFor();
        await page.waitForLoadState('networkidle');
        await shoot(name);
      }
      await page.goto('/');
      await page.getByRole('button', { name: /^Account/ }).click();
      await shoot('menu');
      await page.evaluate(() => localStorage.setItem('convo.locale', '"ar"'));
      await page.goto('/');
      await page.getByRole('heading', { level: 1 }).waitFor();
      await page.waitForLoadState('networkidle');
      await shoot('home-ar');
      await page.context().close();
    }
  }
}

async function call(path, body, token) {
  const headers = { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) };
  const response = await fetch(convo.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
  return response.json();
}

async function account(email, first_name, last_name) {
  const password = 'Secure123';
  await call('/api/v1/auth/register', { email, first_name, last_name, password, confirm_password: password });
  const tokens = await call('/api/v1/auth/login', { email_or_phone: email, password });
  return {
    access: tokens.access_token,
    refresh: tokens.refresh_token,
    expiresAt: Date.now() + tokens.expires_in * 1000,
  };
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
    await call('/api/v1/meetings', { title, scheduled_start_time, scheduled_end_time }, ann.access);
  }
  const { meeting_id } = await call('/api/v1/meetings', { title: 'Coffee' }, ann.access);
  await call(`/api/v1/meetings/${meeting_id}/join`, {}, ann.access);
  await call('/api/v1/meetings', { title: 'Open office' }, ann.access);
}
