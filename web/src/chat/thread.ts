import { atom, type ReadableAtom } from 'nanostores';
import type { Api } from '../api';
import type { ChatroomMessage } from '../api/chatrooms';
import { explain } from '../i18n/explain';
import type { Text } from '../i18n/i18n';
import { ConversationLine } from '../live/conversation';
import { Timeline } from '../timeline/timeline';
import type { Chats } from './chats';
import { type Author, type Draft, ofChatroom, ofConversation, type Said } from './message';
import type { Post } from './outbox';
import { TypingNotice } from './typing';

export type ThreadState =
  | { status: 'loading' }
  | { status: 'ready' }
  /** The newest messages could not be read. */
  | { status: 'failed'; problem: Text };

/** What is before the oldest message shown. */
export type Older = 'more' | 'loading' | 'nothing' | 'failed';

/** The agent's answer while it is written; empty: it thinks. */
export interface Answer {
  text: string;
}

export interface ThreadServices {
  api: Pick<Api, 'chatrooms' | 'conversations'>;
  chats: Pick<
    Chats,
    'me' | 'events' | 'find' | 'read' | 'readUpTo' | 'typing' | '$connected' | '$state' | 'drafts' | 'outbox'
  >;
}

/** A page of history. */
export const PAGE = 50;
/** What was missed is read in pages of so many. */
const CATCH_UP = 500;
/** Who typed and says no more of it has stopped, in milliseconds. */
const TYPES_FOR = 6_000;
/** An agent that says nothing for so long will not, in milliseconds. */
const THINKS_FOR = 120_000;

/** One chat that is open: its messages, those on their way, who types, the agent's answer as it is written. */
export class Thread {
  readonly timeline = new Timeline<Said, Draft>();
  /** The first message that was not read when the chat was opened; `null`: there was none. */
  readonly firstUnread: number | null;
  private readonly state = atom<ThreadState>({ status: 'loading' });
  private readonly older = atom<Older>('nothing');
  private readonly typing = atom<readonly string[]>([]);
  private readonly answer = atom<Answer | null>(null);
  /** The newest message that came live from somebody else: what a screen reader is told. */
  private readonly news = atom<Said | null>(null);
  private readonly notice: TypingNotice;
  private readonly typists = new Map<string, { name: string; timer: ReturnType<typeof setTimeout> }>();
  private readonly ends: (() => void)[];
  private agentLine: ConversationLine | null = null;
  private thinking: ReturnType<typeof setTimeout> | undefined;
  private over = false;
  /** Everything up to this `seq` is known; an own message may be known before those just below it. */
  private upTo = 0;
  /** What came live before the first page did. */
  private early: Said[] = [];
  /** The chat was opened in the middle of an answer, so its beginning is not known here. */
  private midway = false;

  constructor(
    private readonly services: ThreadServices,
    readonly id: string,
    private readonly openAgentLine = (id: string, known: () => number) =>
      new ConversationLine(services.api.conversations, id, known),
  ) {
    const { chats } = services;
    const read = chats.readUpTo(id);
    const unread = chats.find(id)?.unread ?? 0;
    this.firstUnread = unread > 0 ? (read ?? 0) + 1 : null;
    this.notice = new TypingNotice((typing) => chats.typing(id, typing));
    this.ends = [
      chats.events.on('message', ({ chat, message }) => chat === id && this.hear(message)),
      chats.events.on('typing', ({ chat, who, typing }) => chat === id && this.types(who, typing)),
      chats.events.on('heard', ({ chat, seq }) => chat === id && void this.comeBack(seq)),
      chats.outbox.events.on('changed', (post) => post.chat === id && this.show(post)),
      chats.outbox.events.on('sent', ({ chat, message }) => chat === id && this.add(message)),
    ];
    for (const post of chats.outbox.of(id)) this.show(post);
    void this.load();
  }

  get $state(): ReadableAtom<ThreadState> {
    return this.state;
  }

  get $older(): ReadableAtom<Older> {
    return this.older;
  }

  /** Names of those who type. */
  get $typing(): ReadableAtom<readonly string[]> {
    return this.typing;
  }

  get $answer(): ReadableAtom<Answer | null> {
    return this.answer;
  }

  get $news(): ReadableAtom<Said | null> {
    return this.news;
  }

  /** Reads the newest messages. */
  async load(): Promise<void> {
    this.state.set({ status: 'loading' });
    try {
      const messages = await this.read({ limit: PAGE });
      if (this.over) return;
      this.add(...messages);
      this.upTo = messages.at(-1)?.seq ?? 0;
      this.older.set(messages.length < PAGE ? 'nothing' : 'more');
      this.state.set({ status: 'ready' });
      for (const message of this.early.splice(0)) this.hear(message);
      this.listenToAgent(messages.at(-1));
    } catch (error) {
      if (!this.over) this.state.set({ status: 'failed', problem: explain(error) });
    }
  }

  /** Reads the page before the oldest message shown. */
  async loadOlder(): Promise<void> {
    const range = this.timeline.range;
    if (!range || !['more', 'failed'].includes(this.older.get())) return;
    this.older.set('loading');
    try {
      const messages = await this.read({ limit: PAGE, before_seq: range.first });
      this.add(...messages);
      this.older.set(messages.length < PAGE ? 'nothing' : 'more');
    } catch {
      this.older.set('failed');
    }
  }

  /** Shows a message at once, and sends it after those before it, though the chat be closed by then. */
  send(text: string): void {
    const words = text.trim();
    if (!words) return;
    this.notice.stop();
    this.services.chats.drafts.set(this.id, '');
    this.services.chats.outbox.send(this.id, words);
  }

  /** Sends one again that failed. */
  retry(key: string): void {
    this.services.chats.outbox.retry(key);
  }

  discard(key: string): void {
    this.services.chats.outbox.forget(key);
    this.timeline.discard(key);
  }

  /** What is in the field changed. */
  typed(text: string): void {
    this.services.chats.drafts.set(this.id, text);
    this.notice.typed(text.trim() !== '');
  }

  /** Everything shown was seen. */
  seen(): void {
    const range = this.timeline.range;
    if (range && this.state.get().status === 'ready') this.services.chats.read(this.id, range.last);
  }

  /** Breaks off the agent's answer; what was written of it is kept. */
  async cancel(): Promise<void> {
    if (this.answer.get() === null) return;
    try {
      const { cancelled } = await this.services.api.conversations.cancel(this.id);
      if (!cancelled) this.setAnswer(null);
    } catch {
      // It goes on, and can be broken off again.
    }
  }

  dispose(): void {
    this.over = true;
    for (const end of this.ends) end();
    for (const { timer } of this.typists.values()) clearTimeout(timer);
    clearTimeout(this.thinking);
    this.notice.stop();
    this.services.chats.drafts.save();
    this.agentLine?.close();
  }

  private async read(range: Parameters<Api['chatrooms']['messages']>[1]): Promise<Said[]> {
    // A room's messages are read the same way whatever its kind; this API goes back page by page.
    const messages = await this.services.api.chatrooms.messages(this.id, range);
    return messages.map((message: ChatroomMessage) => ofChatroom(message, this.services.chats.me));
  }

  private add(...messages: readonly Said[]): void {
    this.timeline.add(...messages);
    // An own one may have arrived though no answer told so.
    for (const { clientId } of messages) if (clientId !== null) this.services.chats.outbox.forget(clientId);
  }

  private hear(message: Said): void {
    if (this.state.get().status !== 'ready') {
      this.early.push(message);
      return;
    }
    this.add(message);
    if (message.seq <= this.upTo) return;
    this.upTo = message.seq;
    const mine = message.author.id === this.services.chats.me;
    if (!mine) {
      this.types(message.author, false);
      this.news.set(message);
    }
    if (this.agentLine) this.setAnswer(mine ? { text: '' } : null);
    this.midway = false;
  }

  /** Connected again: reads what was missed. */
  private async comeBack(seq: number): Promise<void> {
    if (this.state.get().status === 'failed') await this.load();
    if (this.state.get().status === 'ready') await this.catchUp(seq);
  }

  private async catchUp(seq: number): Promise<void> {
    try {
      while (!this.over && this.upTo < seq) {
        const missed = await this.read({ since_seq: this.upTo, limit: CATCH_UP });
        if (missed.length === 0) return;
        for (const message of missed) this.hear(message);
      }
    } catch {
      // The next connection tries again.
    }
  }

  /** An own message that the server does not have yet. */
  private show({ key, state, draft }: Post): void {
    this.timeline.send(key, draft);
    if (state === 'failed') this.timeline.fail(key);
  }

  private types(who: Author, typing: boolean): void {
    const key = who.id ?? who.name;
    clearTimeout(this.typists.get(key)?.timer);
    if (typing) {
      const timer = setTimeout(() => this.types(who, false), TYPES_FOR);
      this.typists.set(key, { name: who.name, timer });
    } else this.typists.delete(key);
    this.typing.set([...this.typists.values()].map(({ name }) => name));
  }

  /** The agent's answer comes in pieces on the conversation's own connection alone. */
  private listenToAgent(last: Said | undefined): void {
    const { chats } = this.services;
    if (this.agentLine || chats.find(this.id)?.kind !== 'assistant') return;
    this.midway = last?.author.id === chats.me;
    this.agentLine = this.openAgentLine(this.id, () => this.upTo);
    const { events } = this.agentLine;
    this.ends.push(
      events.on('message', (message) => this.hear(ofConversation(message, chats.me))),
      events.on('delta', ({ delta }) => {
        const text = this.answer.get()?.text ?? '';
        this.setAnswer({ text: (text || (this.midway ? '…' : '')) + delta });
      }),
    );
  }

  private setAnswer(answer: Answer | null): void {
    clearTimeout(this.thinking);
    if (answer) this.thinking = setTimeout(() => this.setAnswer(null), THINKS_FOR);
    this.answer.set(answer);
  }
}
