import type { ReadableAtom } from 'nanostores';
import type { ConversationMessage, ConversationsApi } from '../api/conversations';
import { Emitter } from '../store/emitter';
import { Line, type LineState, socketAddress } from './line';

export interface ConversationEvents {
  /** A message, one's own too. */
  message: ConversationMessage & { conversation_id: string };
  /** A piece of the agent's answer, as it is written; the whole comes as a message. */
  delta: { conversation_id: string; delta: string };
  typing: { conversation_id: string; user_id: string | null; name: string; is_typing: boolean };
  error: { message: string; status: number };
}

/**
 * The live side of one conversation. It reconnects by itself; what was said meanwhile arrives then, perhaps after newer
 * messages: `seq` is the order, and `known` says after which nothing may be missing.
 */
export class ConversationLine {
  readonly events = new Emitter<ConversationEvents>();
  private readonly line: Line;

  constructor(
    api: Pick<ConversationsApi, 'connect'>,
    id: string,
    /** The `seq` up to which every message is known. */
    known: () => number,
  ) {
    this.line = new Line({
      address: async () => socketAddress(pathOf((await api.connect(id)).websocket_url)),
      onOpen: () => this.line.send({ type: 'resume', since_seq: known() }),
      onFrame: (frame) => this.hear(frame),
    });
  }

  get state(): ReadableAtom<LineState> {
    return this.line.state;
  }

  /** Heard by everybody, oneself included, as a `message`. `false`: not connected, so by REST, or later. */
  post(message: string, clientMessageId: string): boolean {
    return this.line.send({ type: 'message', message, client_message_id: clientMessageId });
  }

  typing(isTyping: boolean): void {
    this.line.send({ type: 'typing', is_typing: isTyping });
  }

  /** Breaks off the agent's answer. */
  cancel(): void {
    this.line.send({ type: 'cancel' });
  }

  close(): void {
    this.line.close();
  }

  private hear(frame: Record<string, unknown>): void {
    if ('message_id' in frame) this.events.emit('message', frame as unknown as ConversationEvents['message']);
    else if (frame.type === 'delta')
      this.events.emit('delta', frame as unknown as ConversationEvents['delta']);
    else if (frame.type === 'typing')
      this.events.emit('typing', frame as unknown as ConversationEvents['typing']);
    else if ('error' in frame) this.events.emit('error', frame.error as ConversationEvents['error']);
  }
}

/** The server words its address by its public name; the page talks to where it came from. */
function pathOf(address: string): string {
  const url = new URL(address);
  return url.pathname + url.search;
}
