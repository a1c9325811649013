/** The first wait is up to this long, in milliseconds; each doubles the last. */
const FIRST = 500;
/** No wait is longer, in milliseconds. */
const LONGEST = 20_000;

/**
 * How long to wait before try number `attempt` + 1, in milliseconds. Half of it is chance, so that the clients of a
 * server that restarts do not all come back at once.
 */
export function backoff(attempt: number, random: () => number = Math.random): number {
  const whole = Math.min(LONGEST, FIRST * 2 ** Math.min(attempt - 1, 10));
  return Math.round(whole * (0.5 + random() / 2));
}
