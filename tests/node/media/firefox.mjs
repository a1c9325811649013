// Participants with livekit-client in Firefox, as Mozilla releases it (by WebDriver BiDi).
import puppeteer from "puppeteer-core";
import { servePages } from "./pages.mjs";

const browser = await puppeteer.launch({
  browser: "firefox",
  executablePath: process.env.FIREFOX ?? "/usr/bin/firefox-esr",
  defaultViewport: { width: 1280, height: 720 },
  extraPrefsFirefox: {
    "media.autoplay.default": 0,
    "media.navigator.permission.disabled": true,
    "media.navigator.streams.fake": true,
    // The server is on this machine alone.
    "media.peerconnection.ice.loopback": true,
    // Every page is in the background but one.
    "dom.min_background_timeout_value": 4,
    "dom.timeout.enable_budget_timer_throttling": false,
  },
});

await servePages({
  // A window for everybody: tabs in the background paint nothing.
  async context() {
    const context = await browser.createBrowserContext();
    return { newPage: () => context.newPage({ type: "window" }), close: () => context.close() };
  },
  close: () => browser.close(),
});
