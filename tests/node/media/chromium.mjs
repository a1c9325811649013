// Participants with livekit-client in Chromium.
import { chromium } from "playwright-core";
import { ARGUMENTS } from "../../../web/e2e/support/chromium.mjs";
import { servePages } from "./pages.mjs";

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

await servePages({
  context: () =>
    browser.newContext({ permissions: ["camera", "microphone"], viewport: { width: 1280, height: 720 } }),
  close: () => browser.close(),
});
