import { atom, type ReadableAtom } from 'nanostores';
import type { Api } from '../../api';
import type { MeetingMessage } from '../../api/platform';
import { explain } from '../../i18n/explain';
import type { Text } from '../../i18n/i18n';
import type { ChatMessage, MeetingLine } from '../../live/meeting';
import { newId } from '../../store/id';
import { type Stored, Timeline } from '../../timeline/timeline';
import type { Ticket } from '../entry';

export interface Line extends Stored {
  author: string;
  mine: boolean;
  content: string;
  at: Date;
  /** The name of the one it is for; empty where it is not known any more. `null`: for everybody. */
  privateTo: string | null;
}

/** To whom: a user id, or a guest's participant id. */
export interface Recipient {
  id: string;
  name: string;
}

export interface Draft {
  content: string;
  to: Recipient | null;
}

export type History =
  | { status: 'loading' }
  /** `more`: there are older messages. */
  | { status: 'ready'; more: boolean }
  | { status: 'failed'; problem: Text };

/** Messages asked for at a time. */
const PAGE = 50;
/** A message that the server has not given back by now has failed, in milliseconds. */
const PATIENCE = 10_000;
/** Others see for this long that one types, and hear of it as seldom, in milliseconds. */
const TYPING = 4_000;

interface Services {
  api: { platform: Pick<Api['platform'], 'messages' | 'sendMessage'> };
  line: Pick<MeetingLine, 'events' | 'send'>;
  /** What somebody is called, by user or participant id. */
  nameOf: (id: string) => string | null;
}

/** The meeting's chat: what was said before one came, what is said, and what one says. */
export class MeetingChat {
  readonly timeline = new Timeline<Line, Draft>();
  private readonly past = atom<History>({ status: 'loading' });
  private readonly unseen = atom(0);
  private readonly open = atom(false);
  private readonly writers = atom<readonly string[]>([]);
  private readonly timers = new Map<string, ReturnType<typeof setTimeout>>();
  /** To whom one's own private messages went, by their id: a guest is not named when they come back. */
  private readonly addressed = new Map<string, string>();
  private oldestPage: number | null = null;
  private said = 0;
  private typedAt = 0;

  constructor(
    private readonly services: Services,
    private readonly ticket: Pick<Ticket, 'code' | 'userId' | 'participantId' | 'token'>,
    private readonly now: () => number = Date.now,
  ) {
    const { events } = services.line;
    events.on('connected', () => this.oldestPage === null && void this.load());
    events.on('chat_message', (message) => this.hear(message));
    events.on('typing', (event) => {
      const id = event.participant_id ?? event.user_id;
      if (id) this.writes(id, event.display_name, event.is_typing);
    });
  }

  get $history(): ReadableAtom<History> {
    return this.past;
  }

  /** Messages by others that came while the chat was closed. */
  get $unseen(): ReadableAtom<number> {
    return this.unseen;
  }

  /** The names of those who write now. */
  get $writers(): ReadableAtom<readonly string[]> {
    return this.writers;
  }

  /** How many messages one has sent oneself. */
  get sent(): number {
    return this.said;
  }

  setOpen(open: boolean): void {
    this.open.set(open);
    if (open) this.unseen.set(0);
  }

  /** The newest page, then each time the one before. */
  async load(): Promise<void> {
    this.past.set({ status: 'loading' });
    try {
      const page = this.oldestPage === null ? await this.lastPage() : this.oldestPage - 1;
      const { messages } = await this.page(page);
      this.oldestPage = page;
      this.timeline.add(...messages.map((message) => this.fromHistory(message)));
      this.past.set({ status: 'ready', more: page > 1 });
    } catch (error) {
      this.past.set({ status: 'failed', problem: explain(error) });
    }
  }

  send(content: string, to: Recipient | null): void {
    const text = content.trim();
    if (!text) return;
    this.typedAt = 0;
    this.said++;
    void this.post(newId(), { content: text, to });
  }

  retry(key: string): void {
    const entry = this.timeline.entries.get().find((entry) => entry.key === key);
    if (entry && entry.state !== 'stored') void this.post(key, entry.draft);
  }

  /** To be called while one types; others hear of it now and then. */
  typing(): void {
    if (this.now() - this.typedAt < TYPING / 2) return;
    this.typedAt = this.now();
    this.services.line.send({ type: 'typing', data: { is_typing: true } });
  }

  dispose(): void {
    for (const timer of this.timers.values()) clearTimeout(timer);
  }

  /** By the line while it is open, else by REST, which tries again; the message's id makes it one message in any case. */
  private async post(id: string, draft: Draft): Promise<void> {
    this.timeline.send(id, draft);
    if (draft.to) this.addressed.set(id, draft.to.name);
    const to = draft.to ? { recipient_user_id: draft.to.id } : {};
    const data = { content: draft.content, client_message_id: id, ...to };
    if (this.services.line.send({ type: 'chat_message', data })) {
      this.after(id, PATIENCE, () => this.timeline.fail(id));
      return;
    }
    try {
      const isPrivate = draft.to ? { ...to, is_private: true } : {};
      const message = await this.services.api.platform.sendMessage(
        this.ticket.code,
        { content: draft.content, ...isPrivate },
        id,
        this.token,
      );
      this.timeline.add(this.fromHistory({ ...message, client_message_id: id }, true));
    } catch {
      this.timeline.fail(id);
    }
  }

  private hear(message: ChatMessage): void {
    const mine =
      message.sender_id !== null
        ? message.sender_id === this.ticket.userId
        : message.sender_participant_id === this.ticket.participantId;
    const author = message.sender_participant_id ?? message.sender_id;
    if (author) this.writes(author, message.sender_name, false);
    const known = this.timeline.range?.last ?? 0;
    this.timeline.add({
      seq: message.seq,
      clientId: message.client_message_id ?? null,
      author: message.sender_name,
      mine,
      content: message.content,
      at: new Date(message.timestamp),
      privateTo: this.privateTo(message),
    });
    if (!mine && !this.open.get() && message.seq > known) this.unseen.set(this.unseen.get() + 1);
  }

  private fromHistory(message: MeetingMessage, mine?: boolean): Line {
    return {
      seq: message.seq,
      clientId: message.client_message_id ?? null,
      author: message.sender_name,
      mine: mine ?? (message.sender_user_id !== null && message.sender_user_id === this.ticket.userId),
      content: message.content,
      at: new Date(message.created_at),
      privateTo: this.privateTo(message),
    };
  }

  private privateTo(message: {
    is_private: boolean;
    recipient_user_id: string | null;
    client_message_id?: string;
  }): string | null {
    if (!message.is_private) return null;
    const { recipient_user_id: id, client_message_id: own } = message;
    return (own && this.addressed.get(own)) || (id && this.services.nameOf(id)) || '';
  }

  private writes(id: string, name: string, writing: boolean): void {
    const others = this.writers.get().filter((other) => other !== name);
    this.writers.set(writing ? [...others, name] : others);
    if (writing) this.after(`typing ${id}`, TYPING, () => this.writes(id, name, false));
  }

  private after(key: string, wait: number, act: () => void): void {
    clearTimeout(this.timers.get(key));
    this.timers.set(key, setTimeout(act, wait));
  }

  private async lastPage(): Promise<number> {
    const { pagination } = await this.page(1);
    return Math.max(1, pagination.pages);
  }

  private page(page: number) {
    return this.services.api.platform.messages(this.ticket.code, { page, limit: PAGE }, this.token);
  }

  /** A guest speaks by the meeting's token, a person by their own. */
  private get token(): string | undefined {
    return this.ticket.userId === null ? this.ticket.token : undefined;
  }
}
