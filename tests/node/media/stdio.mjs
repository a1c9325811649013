// Participants as a test moves them: a line of JSON in, `{id, who, call, args}`; a line out, `{id, value}` or `{id, error}`.
// The first line out, with id 0, says that all is ready.
import { createInterface } from "node:readline";

/** `call(who, name, args)` does the work. Ends with its input. */
export async function serve(call) {
  // The SDKs log to the standard output, where the answers go.
  const answer = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
  for (const level of ["log", "info", "debug", "warn"]) console[level] = console.error;
  answer({ id: 0, value: null });
  for await (const line of createInterface({ input: process.stdin })) {
    const { id, who, call: name, args } = JSON.parse(line);
    Promise.resolve()
      .then(() => call(who, name, args))
      .then(
        (value) => answer({ id, value: value ?? null }),
        (error) => answer({ id, error: String(error?.stack ?? error) }),
      );
  }
}
