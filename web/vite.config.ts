import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

/** Where the API is while the app is developed or previewed; in production the same server answers for both. */
const api = process.env.CONVO_URL ?? 'http://localhost:8000';

/** Where the media are, when an outside LiveKit server serves them (LIVEKIT_URL) and PUBLIC_URL says that it is here. */
const media = process.env.CONVO_MEDIA_URL ?? api;

const http = { target: api, changeOrigin: false };
const socket = { ...http, ws: true };
const proxy = {
  '/api': socket, // a conversation's WebSocket is under /api too
  '/ws': socket,
  '/rtc': { ...socket, target: media },
  '/socket.io': socket,
  '/docs': http,
  '/openapi.json': http,
};

/** What the server says in production, said while previewing too: what breaks it shall break here. */
const headers = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data: blob:; " +
    "media-src 'self' blob:; font-src 'self'; connect-src 'self'; worker-src 'self' blob:; manifest-src 'self'; " +
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
};

export default defineConfig({
  plugins: [react()],
  server: { port: 5173, proxy },
  preview: { port: 4173, proxy, headers },
  build: { target: 'es2022', sourcemap: false, assetsInlineLimit: 0 },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
});
