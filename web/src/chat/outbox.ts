import { type Api, ApiError } from '../api';
import { explain } from '../i18n/explain';
import { Emitter } from '../store/emitter';
import { newId } from '../store/id';
import { type Draft, ofChatroom, type Said } from './message';

/** An own message on its way. */
export interface Post {
  chat: string;
  /** The server stores it once under this id, however often it is sent. */
  key: string;
  state: 'sending' | 'failed';
  draft: Draft;
}

export interface OutboxEvents {
  /** It is new, is sent again, or failed. */
  changed: Post;
  /** The server has it. */
  sent: { chat: string; message: Said };
}

/** A message that waits is tried again after so long, then twice as long, to a limit; in milliseconds. */
const FIRST_TRY = 5_000;
const LAST_TRY = 60_000;

/**
 * What one person says, until the server has it, whichever chat is open meanwhile. In each chat one message is sent
 * after the other; what the network kept from going out is tried again by itself.
 */
export class Outbox {
  readonly events = new Emitter<OutboxEvents>();
  /** By key, the oldest first. */
  private readonly posts = new Map<string, Post>();
  /** By chat: when everything said before was tried. */
  private readonly turns = new Map<string, Promise<void>>();
  private again: ReturnType<typeof setTimeout> | undefined;
  private wait = FIRST_TRY;
  private over = false;

  constructor(
    private readonly api: Pick<Api['chatrooms'], 'send'>,
    private readonly me: string,
  ) {
    globalThis.addEventListener?.('online', this.sendWaiting);
  }

  /** What is on its way to this chat, the oldest first. */
  of(chat: string): readonly Post[] {
    return [...this.posts.values()].filter((post) => post.chat === chat);
  }

  send(chat: string, text: string): void {
    const draft = { text, at: new Date(), problem: null, waits: false };
    this.post({ chat, key: newId(), state: 'sending', draft });
  }

  /** Sends one again that failed: under its own id, so that it arrives once. One that waits has others before it. */
  retry(key: string): void {
    const post = this.posts.get(key);
    if (post?.draft.waits) this.sendWaiting();
    else if (post?.state === 'failed') this.postAgain(post);
  }

  /** It need not be sent any more: it was discarded, or was seen to have arrived. */
  forget(key: string): void {
    this.posts.delete(key);
  }

  /** There is a connection: tries what waits for one. */
  readonly sendWaiting = (): void => {
    clearTimeout(this.again);
    this.again = undefined;
    for (const post of [...this.posts.values()]) if (post.draft.waits) this.postAgain(post);
  };

  /** Whoever logs in next says none of it. */
  dispose(): void {
    this.over = true;
    clearTimeout(this.again);
    globalThis.removeEventListener?.('online', this.sendWaiting);
  }

  private postAgain(post: Post): void {
    this.post({ ...post, state: 'sending', draft: { ...post.draft, problem: null, waits: false } });
  }

  private post(post: Post): void {
    this.put(post);
    const before = this.turns.get(post.chat) ?? Promise.resolve();
    this.turns.set(
      post.chat,
      before.then(() => this.deliver(post)),
    );
  }

  private async deliver({ chat, key, draft }: Post): Promise<void> {
    if (this.over || !this.posts.has(key)) return;
    const before = this.waitsBefore(chat, key);
    if (before) {
      this.putOff({ chat, key, draft }, before.draft.problem);
      return;
    }
    try {
      const message = await this.api.send(chat, draft.text, key);
      this.wait = FIRST_TRY;
      this.posts.delete(key);
      // It is heard live too, in its turn.
      this.events.emit('sent', { chat, message: ofChatroom(message, this.me) });
    } catch (error) {
      if (!this.posts.has(key)) return;
      const waits = error instanceof ApiError && error.transient && error.status !== 429;
      if (waits) this.putOff({ chat, key, draft }, explain(error));
      else this.put({ chat, key, state: 'failed', draft: { ...draft, problem: explain(error), waits } });
    }
  }

  /** Nothing overtakes what was said before it and waits; what was refused holds nothing up. */
  private waitsBefore(chat: string, key: string): Post | undefined {
    const all = this.of(chat);
    return all
      .slice(
        0,
        all.findIndex((post) => post.key === key),
      )
      .find(({ draft }) => draft.waits);
  }

  private putOff({ chat, key, draft }: Omit<Post, 'state'>, problem: Draft['problem']): void {
    this.put({ chat, key, state: 'failed', draft: { ...draft, problem, waits: true } });
    this.sendLater();
  }

  private put(post: Post): void {
    this.posts.set(post.key, post);
    this.events.emit('changed', post);
  }

  private sendLater(): void {
    if (this.over || this.again !== undefined) return;
    this.again = setTimeout(this.sendWaiting, this.wait);
    this.wait = Math.min(this.wait * 2, LAST_TRY);
  }
}
