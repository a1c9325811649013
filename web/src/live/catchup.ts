/**
 * From which `seq` on a room must be asked for what was missed.
 *
 * After a reconnection new messages may arrive before older ones that were missed. So what arrives counts only once
 * the server has answered everything that was asked before: frames are answered in order, and a ping goes out behind
 * the request. A connection lost in between asks from the same place again.
 */
export class CatchUp {
  private safe: number;
  private seen: number;
  private asked = 0;
  private answered = 0;

  constructor(from: number) {
    this.safe = from;
    this.seen = from;
  }

  /** A message of this `seq` arrived. */
  saw(seq: number): void {
    this.seen = Math.max(this.seen, seq);
    if (this.asked === this.answered) this.safe = this.seen;
  }

  /** To be sent on a new connection: resume after `since`, then a ping with `fence` in its data. */
  ask(): { since: number; fence: number } {
    this.asked++;
    this.seen = this.safe;
    return { since: this.safe, fence: this.asked };
  }

  /** The pong with `fence` in its data came. */
  reached(fence: number): void {
    if (fence !== this.asked) return;
    this.answered = fence;
    this.safe = Math.max(this.safe, this.seen);
  }
}
