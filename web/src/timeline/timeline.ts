import { atom, type ReadableAtom } from 'nanostores';

/** A message that the server has. */
export interface Stored {
  /** Place in the room's order. */
  seq: number;
  /** The id that the sender gave it, if any. */
  clientId: string | null;
}

export type Entry<M extends Stored, D> =
  | { state: 'stored'; key: string; message: M }
  | { state: 'sending' | 'failed'; key: string; draft: D };

/**
 * The messages of a room in their order, then the own ones that are still on their way. A message may arrive any number
 * of times and in any order: live, in a page of history, as the answer to its own posting.
 */
export class Timeline<M extends Stored, D> {
  private readonly stored = new Map<number, M>();
  private readonly pending = new Map<string, { state: 'sending' | 'failed'; draft: D }>();
  private readonly $entries = atom<readonly Entry<M, D>[]>([]);

  get entries(): ReadableAtom<readonly Entry<M, D>[]> {
    return this.$entries;
  }

  /** The lowest and highest `seq` known; `null` of an empty timeline. */
  get range(): { first: number; last: number } | null {
    if (this.stored.size === 0) return null;
    const seqs = [...this.stored.keys()];
    return { first: seqs.reduce((a, b) => Math.min(a, b)), last: seqs.reduce((a, b) => Math.max(a, b)) };
  }

  add(...messages: readonly M[]): void {
    for (const message of messages) {
      this.stored.set(message.seq, message);
      if (message.clientId !== null) this.pending.delete(message.clientId);
    }
    this.publish();
  }

  /** Shows a draft at once, before the server has it. */
  send(clientId: string, draft: D): void {
    this.pending.set(clientId, { state: 'sending', draft });
    this.publish();
  }

  fail(clientId: string): void {
    const pending = this.pending.get(clientId);
    if (!pending) return;
    this.pending.set(clientId, { draft: pending.draft, state: 'failed' });
    this.publish();
  }

  /** Forgets a draft that failed. */
  discard(clientId: string): void {
    this.pending.delete(clientId);
    this.publish();
  }

  private publish(): void {
    const messages = [...this.stored.values()].sort((a, b) => a.seq - b.seq);
    this.$entries.set([
      ...messages.map((message) => ({
        state: 'stored' as const,
        // An own message keeps its key when it arrives, so that it stays the same element on the page.
        key: message.clientId ?? `seq-${message.seq}`,
        message,
      })),
      ...[...this.pending].map(([key, { state, draft }]) => ({ state, key, draft })),
    ]);
  }
}
