// Participants with livekit-client, each in a page of one Chromium.
import { createReadStream } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { ARGUMENTS } from "../../../web/e2e/support/chromium.mjs";
import { serve } from "./stdio.mjs";

const FILES = fileURLToPath(new URL("..", import.meta.url));
const TYPES = { ".html": "text/html", ".mjs": "text/javascript" };

const files = createServer((request, response) => {
  const path = normalize(new URL(request.url, "http://localhost").pathname);
  response.setHeader("Content-Type", TYPES[extname(path)] ?? "application/octet-stream");
  const missing = () => response.writeHead(404).end();
  createReadStream(join(FILES, path)).on("error", missing).pipe(response);
}).listen(0, "127.0.0.1");

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    ...ARGUMENTS,
    "--autoplay-policy=no-user-gesture-required",
    // Few pictures a second, but moving: the tests share their processors with encoders and decoders.
    "--use-fake-device-for-media-stream=fps=10",
    "--auto-accept-this-tab-capture",
    // Every page is in the background but one.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
  ],
});

const pages = new Map();

async function open() {
  const context = await browser.newContext({ permissions: ["camera", "microphone"], viewport: { width: 1280, height: 720 } });
  const page = await context.newPage();
  page.on("console", (message) => console.error(message.text()));
  page.on("pageerror", (error) => console.error(error));
  await page.goto(`http://127.0.0.1:${files.address().port}/media/page.html`);
  await page.waitForFunction("window.participant");
  return page;
}

await serve(async (who, name, args) => {
  if (!pages.has(who)) pages.set(who, open());
  const page = await pages.get(who);
  if (name === "close") return page.context().close();
  return page.evaluate(([name, args]) => window.participant[name](args), [name, args]);
});
await browser.close();
files.close();
