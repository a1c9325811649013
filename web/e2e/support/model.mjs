/** A language model's endpoint that says what the test tells it to: OpenAI's chat completions, streamed. */
import { once } from 'node:events';
import { createServer } from 'node:http';

/**
 * Answers with `url` (for AI_BASE_URL), `asked` (the requests' bodies), `say(text)` for the next piece of the answer under
 * way, `finish()`, and `end()`. Every answer waits for the test.
 */
export async function model() {
  const asked = [];
  let answer = null;
  let arrived;
  let next = new Promise((resolve) => (arrived = resolve));
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const piece of request) body += piece;
    asked.push(JSON.parse(body));
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.flushHeaders();
    answer = response;
    arrived();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const chunk = (choice) => `data: ${JSON.stringify({ choices: [{ index: 0, ...choice }] })}\n\n`;
  return {
    url: `http://127.0.0.1:${server.address().port}/v1`,
    asked,
    /** Waits until somebody asks. */
    async question() {
      await next;
      next = new Promise((resolve) => (arrived = resolve));
      return asked.at(-1).messages.at(-1).content;
    },
    say: (content) => answer.write(chunk({ delta: { content } })),
    finish() {
      answer.write(chunk({ delta: {}, finish_reason: 'stop' }));
      answer.end('data: [DONE]\n\n');
    },
    async end() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
