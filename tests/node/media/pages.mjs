// Participants with livekit-client, each in a page of one browser.
import { createReadStream } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { serve } from "./stdio.mjs";

const FILES = fileURLToPath(new URL("..", import.meta.url));
const TYPES = { ".html": "text/html", ".mjs": "text/javascript" };

/** `browser`: with `context()` for somebody's own, which has `newPage()` and `close()`, and with `close()`. */
export async function servePages(browser) {
  const files = createServer((request, response) => {
    const path = normalize(new URL(request.url, "http://localhost").pathname);
    response.setHeader("Content-Type", TYPES[extname(path)] ?? "application/octet-stream");
    const missing = () => response.writeHead(404).end();
    createReadStream(join(FILES, path)).on("error", missing).pipe(response);
  }).listen(0, "127.0.0.1");

  const people = new Map();

  async function open() {
    const context = await browser.context();
    const page = await context.newPage();
    page.on("console", (message) => console.error(message.text()));
    page.on("pageerror", (error) => console.error(error));
    await page.goto(`http://127.0.0.1:${files.address().port}/media/page.html`);
    await page.waitForFunction("window.participant");
    return { context, page };
  }

  await serve(async (who, name, args) => {
    if (!people.has(who)) people.set(who, open());
    const { context, page } = await people.get(who);
    if (name === "close") return context.close();
    return page.evaluate(([name, args]) => window.participant[name](args), [name, args]);
  });
  await browser.close();
  files.close();
}
