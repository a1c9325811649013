import { atom, computed, type ReadableAtom } from 'nanostores';
import type { Api } from '../api';
import type { Chatroom } from '../api/chatrooms';
import type { Conversation } from '../api/conversations';
import { explain } from '../i18n/explain';
import type { Text } from '../i18n/i18n';
import { ChatroomsLine } from '../live/chatrooms';
import { Emitter } from '../store/emitter';
import { Drafts } from './drafts';
import { ReadMarks } from './marks';
import { type Author, ofChatroom, ofConversation, type Said } from './message';
import { Outbox } from './outbox';

/** `person`: with one other. `group`: with several. `assistant`: with the AI agent. `room`: a chatroom. */
export type ChatKind = 'person' | 'group' | 'assistant' | 'room';

export interface Chat {
  id: string;
  kind: ChatKind;
  /** Of chatrooms, and of conversations that were given one. */
  title: string | null;
  /** The others; of a chatroom all members. */
  people: readonly Author[];
  last: Said | null;
  /** The last message's time or, where there is none, the chat's own beginning. */
  activeAt: Date;
  /** Messages that were not read on this device. */
  unread: number;
}

export type ChatsState =
  | { status: 'loading' }
  | { status: 'ready'; chats: readonly Chat[] }
  | { status: 'failed'; problem: Text };

/** What happens in the chats, over any number of connections. */
export interface ChatEvents {
  message: { chat: string; message: Said };
  typing: { chat: string; who: Author; typing: boolean };
  /** The chat is heard from now on; messages up to `seq` may have been missed. */
  heard: { chat: string; seq: number };
}

type Line = Pick<ChatroomsLine, 'events' | 'connected' | 'hear' | 'forget' | 'typing' | 'close'>;

interface Services {
  api: Pick<Api, 'conversations' | 'chatrooms' | 'tokens'>;
}

/** What is kept of a chat; the rest of `Chat` follows from it and from what was read. */
interface Known extends Omit<Chat, 'unread' | 'activeAt'> {
  createdAt: Date;
  /** The highest `seq` known to be there. */
  seq: number;
}

/** No API tells that somebody opened a conversation, so the lists are read again this often, in milliseconds. */
const LISTS_EVERY = 30_000;
/** So many chatrooms' last messages are read to show them in the list: each takes a request. */
const PREVIEWS = 20;

/** All chats of one person, with what is new in them. One connection hears them all. */
export class Chats {
  readonly events = new Emitter<ChatEvents>();
  readonly drafts: Drafts;
  readonly outbox: Outbox;
  private readonly state = atom<ChatsState>({ status: 'loading' });
  private readonly here = atom<Readonly<Record<string, readonly string[]>>>({});
  private readonly known = new Map<string, Known>();
  private readonly marks: ReadMarks;
  private readonly line: Line;
  private readonly timer: ReturnType<typeof setInterval>;
  private loaded = false;
  /** Chats that were opened while the lists are read: these do not know them yet. */
  private readonly opened = new Set<string>();

  constructor(
    private readonly services: Services,
    /** Whose they are: an account's id. */
    readonly me: string,
    line?: Line,
    marks?: ReadMarks,
  ) {
    this.marks = marks ?? new ReadMarks(me);
    this.drafts = new Drafts(me);
    this.outbox = new Outbox(services.api.chatrooms, me);
    this.line = line ?? new ChatroomsLine(services.api.tokens);
    this.marks.$marks.listen(() => this.publish());
    this.listen();
    void this.refresh();
    this.timer = setInterval(() => globalThis.document?.hidden || void this.refresh(), LISTS_EVERY);
    globalThis.document?.addEventListener('visibilitychange', this.looked);
  }

  /** Newest activity first. */
  get $state(): ReadableAtom<ChatsState> {
    return this.state;
  }

  get $connected(): ReadableAtom<boolean> {
    return this.line.connected;
  }

  /** Who came to listen since this device did, by chat: the API does not tell who was there before. */
  get $here(): ReadableAtom<Readonly<Record<string, readonly string[]>>> {
    return this.here;
  }

  /** How many chats have something new. */
  readonly $unread = computed(this.state, (state) =>
    state.status === 'ready' ? state.chats.filter((chat) => chat.unread !== 0).length : 0,
  );

  find(id: string): Chat | null {
    const state = this.state.get();
    return state.status === 'ready' ? (state.chats.find((chat) => chat.id === id) ?? null) : null;
  }

  /** Everything up to `seq` was seen. */
  read(chat: string, seq: number): void {
    this.marks.read(chat, seq);
  }

  /** Up to where the chat was read on this device; `undefined`: that is not known. */
  readUpTo(chat: string): number | undefined {
    return this.marks.of(chat);
  }

  typing(chat: string, typing: boolean): void {
    this.line.typing(chat, typing);
  }

  async refresh(): Promise<void> {
    const { conversations, chatrooms } = this.services.api;
    this.opened.clear();
    try {
      const [talks, rooms] = await Promise.all([conversations.list(), chatrooms.list()]);
      this.replace(talks, rooms);
    } catch (error) {
      // What was read before is better than nothing.
      if (this.state.get().status !== 'ready') this.state.set({ status: 'failed', problem: explain(error) });
    }
  }

  /** Opens the conversation with these people, who share one if they are two. Answers with its id. */
  async openWith(people: readonly string[], title?: string): Promise<string> {
    const request = { is_ai: false, participant_ids: [...people], ...(title ? { title } : {}) };
    return this.open(await this.services.api.conversations.open(request));
  }

  /** A new conversation with the agent. */
  async openAssistant(title: string): Promise<string> {
    return this.open(await this.services.api.conversations.open({ is_ai: true, title }));
  }

  async createRoom(name: string): Promise<string> {
    return this.enter(await this.services.api.chatrooms.create(name));
  }

  async joinRoom(id: string): Promise<string> {
    await this.services.api.chatrooms.join(id);
    return this.enter(await this.services.api.chatrooms.get(id));
  }

  async leaveRoom(id: string): Promise<void> {
    await this.services.api.chatrooms.leave(id);
    this.drop(id);
    this.publish();
  }

  dispose(): void {
    clearInterval(this.timer);
    globalThis.document?.removeEventListener('visibilitychange', this.looked);
    this.drafts.save();
    this.outbox.dispose();
    this.line.close();
  }

  private readonly looked = (): void => {
    if (globalThis.document?.visibilityState === 'visible') void this.refresh();
    else this.drafts.save();
  };

  private listen(): void {
    const { events, connected } = this.line;
    events.on('newMessage', (message) => this.hear(message.chatroomId, ofChatroom(message, this.me)));
    events.on('typing', ({ chatroomId, user, isTyping }) =>
      this.events.emit('typing', { chat: chatroomId, who: user, typing: isTyping }),
    );
    events.on('userJoined', ({ chatroomId, user }) => this.moved(chatroomId, user, true));
    events.on('userLeft', ({ chatroomId, user }) => this.moved(chatroomId, user, false));
    events.on('heard', ({ chatroomId, seq }) => void this.heard(chatroomId, seq));
    events.on('refused', ({ chatroomId }) => {
      this.drop(chatroomId);
      this.publish();
    });
    connected.listen((connected) => (connected ? this.outbox.sendWaiting() : this.here.set({})));
  }

  private hear(id: string, message: Said): void {
    if (message.clientId !== null) this.outbox.forget(message.clientId);
    const chat = this.known.get(id);
    if (chat && message.seq > (chat.last?.seq ?? 0)) {
      chat.last = message;
      chat.seq = Math.max(chat.seq, message.seq);
      // Whoever answers has read.
      if (message.author.id === this.me) this.marks.read(id, message.seq);
    }
    this.events.emit('message', { chat: id, message });
    this.publish();
  }

  private moved(id: string, who: Author, came: boolean): void {
    if (who.id === null || who.id === this.me) return;
    const others = (this.here.get()[id] ?? []).filter((other) => other !== who.id);
    this.here.set({ ...this.here.get(), [id]: came ? [...others, who.id] : others });
    // Perhaps as a member.
    const chat = this.known.get(id);
    const member = chat?.people.some((person) => person.id === who.id);
    if (chat?.kind === 'room' && came !== member) void this.readMembers(chat);
  }

  private async readMembers(chat: Known): Promise<void> {
    try {
      chat.people = (await this.services.api.chatrooms.get(chat.id)).members;
      this.publish();
    } catch {
      // The next reading of the lists tells.
    }
  }

  private async heard(id: string, seq: number): Promise<void> {
    const chat = this.known.get(id);
    if (!chat) return;
    chat.seq = Math.max(chat.seq, seq);
    this.markFirst(chat, seq);
    this.events.emit('heard', { chat: id, seq });
    this.publish();
    if (seq > (chat.last?.seq ?? 0) && this.placeOf(id) < PREVIEWS) await this.readLast(chat);
  }

  /**
   * A chat that this device never showed. What is in a chatroom was likely read where it was joined. A conversation that
   * appears is new; those that are there when the device itself is new have at most their last message to look at.
   */
  private markFirst(chat: Known, seq: number): void {
    if (this.marks.of(chat.id) !== undefined) return;
    if (chat.kind === 'room') this.marks.read(chat.id, seq);
    else if (this.marks.firstTime) {
      // What came since the list was read is new.
      const listed = chat.last?.seq ?? 0;
      this.marks.read(chat.id, this.isMine(chat.last) ? listed : listed - 1);
    }
  }

  private isMine(last: Said | null): boolean {
    return last === null || last.author.id === this.me;
  }

  private placeOf(id: string): number {
    return [...this.known.keys()].indexOf(id);
  }

  private async readLast(chat: Known): Promise<void> {
    try {
      const [message] = await this.services.api.chatrooms.messages(chat.id, { limit: 1 });
      if (!message || message.seq <= (chat.last?.seq ?? 0)) return;
      chat.last = ofChatroom(message, this.me);
      this.publish();
    } catch {
      // The list is good without it.
    }
  }

  private replace(talks: readonly Conversation[], rooms: readonly Chatroom[]): void {
    const listed = new Set([...talks.map((talk) => talk.conversation_id), ...rooms.map((room) => room.id)]);
    for (const id of this.known.keys()) if (!listed.has(id) && !this.opened.has(id)) this.drop(id);
    for (const talk of talks) this.takeConversation(talk);
    for (const room of rooms) this.takeRoom(room);
    for (const id of this.known.keys()) this.line.hear(id);
    this.loaded = true;
    this.publish();
  }

  private open(talk: Conversation): string {
    this.takeConversation(talk);
    this.opened.add(talk.conversation_id);
    this.line.hear(talk.conversation_id);
    this.publish();
    return talk.conversation_id;
  }

  private enter(room: Chatroom): string {
    this.takeRoom(room);
    this.opened.add(room.id);
    this.line.hear(room.id);
    this.publish();
    return room.id;
  }

  private takeConversation(talk: Conversation): void {
    const id = talk.conversation_id;
    const others = talk.participants.filter((person) => person.user_id !== this.me);
    const told = talk.last_message && ofConversation(talk.last_message, this.me);
    const before = this.known.get(id);
    const last = (told?.seq ?? 0) > (before?.last?.seq ?? 0) ? told : (before?.last ?? null);
    this.known.set(id, {
      id,
      kind: talk.is_ai ? 'assistant' : others.length > 1 ? 'group' : 'person',
      title: talk.title || null,
      people: others.map((person) => ({ id: person.user_id, name: person.name })),
      createdAt: new Date(talk.created_at),
      last,
      seq: Math.max(before?.seq ?? 0, last?.seq ?? 0),
    });
  }

  private takeRoom(room: Chatroom): void {
    const before = this.known.get(room.id);
    this.known.set(room.id, {
      id: room.id,
      kind: 'room',
      title: room.name,
      people: room.members,
      createdAt: new Date(room.created_at),
      last: before?.last ?? null,
      seq: before?.seq ?? 0,
    });
  }

  private drop(id: string): void {
    this.known.delete(id);
    this.line.forget(id);
  }

  private publish(): void {
    if (!this.loaded) return;
    const chats = [...this.known.values()].map((chat) => this.show(chat));
    chats.sort((a, b) => b.activeAt.getTime() - a.activeAt.getTime());
    this.state.set({ status: 'ready', chats });
  }

  private show({ createdAt, seq, ...chat }: Known): Chat {
    return { ...chat, activeAt: chat.last?.at ?? createdAt, unread: this.unread(chat, seq) };
  }

  private unread(chat: Pick<Known, 'id' | 'kind' | 'last'>, seq: number): number {
    const read = this.marks.of(chat.id);
    if (read !== undefined) return Math.max(0, seq - read);
    return chat.kind === 'room' || this.marks.firstTime || this.isMine(chat.last) ? 0 : seq;
  }
}
