/** Is the stage smooth with 25 tiles? `node scripts/stage.mjs [people] [seconds]`: so many people with cameras, and what one of them, whose
 * window is 1920 x 1080, sees of them: pictures a second, how long the page's frames take, and what holds it up. */
import { livekit } from '../e2e/support/livekit.mjs';
import { call, goIn, host, openAs } from '../e2e/support/meeting.mjs';
import { world } from '../e2e/support/world.mjs';

const [people = 24, seconds = 20] = process.argv.slice(2).map(Number);
process.env.CROWD = '1';
const convo = await world();
try {
  const person = await host(convo, { title: 'A full room' });
  const page = await openAs(convo, person, { viewport: { width: 1920, height: 1080 } });
  await goIn(page, person.code);
  console.table({ alone: await look(page, seconds) });
  const tokens = [];
  for (let index = 1; index <= people; index++) {
    const join = { user_name: `Guest ${index}` };
    tokens.push((await call(convo, `/api/v1/meetings/${person.code}/join`, join)).token);
  }
  const crowd = await livekit(convo.url, tokens);
  await page.locator('li[data-person]').nth(people).waitFor();
  await page.waitForTimeout(15_000);
  console.table({ [`with ${people}`]: await look(page, seconds) });
  await crowd.end();
} finally {
  await convo.end();
}

/** What the page does for so many seconds. */
function look(page, seconds) {
  return page.evaluate(async (seconds) => {
    const videos = () => [...document.querySelectorAll('li[data-person] video')];
    const shown = (video) => video.getVideoPlaybackQuality().totalVideoFrames;
    const before = new Map(videos().map((video) => [video, shown(video)]));
    const held = [];
    const observer = new PerformanceObserver((list) => held.push(...list.getEntries()));
    observer.observe({ type: 'longtask' });
    const frames = [];
    const end = performance.now() + seconds * 1000;
    for (let last = performance.now(); last < end; ) {
      const now = await new Promise(requestAnimationFrame);
      frames.push(now - last);
      last = now;
    }
    observer.disconnect();
    frames.sort((a, b) => a - b);
    const part = (share) => Math.round(frames[Math.floor((frames.length - 1) * share)]);
    const rates = videos().map((video) => (shown(video) - (before.get(video) ?? 0)) / seconds);
    const widths = videos().map((video) => video.videoWidth);
    return {
      tiles: document.querySelectorAll('li[data-person]').length,
      videos: rates.length,
      'least pictures/s': Math.min(...rates).toFixed(1),
      widths: [...new Set(widths)].join(' '),
      'frame p50 ms': part(0.5),
      'frame p95 ms': part(0.95),
      'longest ms': part(1),
      'tasks over 50 ms': held.length,
    };
  }, seconds);
}
