import type { ChatroomMessage } from '../api/chatrooms';
import type { ConversationMessage } from '../api/conversations';
import type { Text } from '../i18n/i18n';

/** Somebody in a chat. */
export interface Author {
  /** `null` for a guest. */
  id: string | null;
  name: string;
}

/** A message that the server has, whichever API told it. */
export interface Said {
  id: string;
  /** Place in the chat's order. */
  seq: number;
  /** The id that this person gave it; other people's are no business of ours. */
  clientId: string | null;
  author: Author;
  text: string;
  at: Date;
}

/** An own message on its way. */
export interface Draft {
  text: string;
  at: Date;
  /** Why it was not sent. */
  problem: Text | null;
  /** Whether it goes out by itself once there is a connection. */
  waits: boolean;
}

export function ofChatroom(message: ChatroomMessage, me: string): Said {
  return {
    id: message.id,
    seq: message.seq,
    clientId: message.sender.id === me ? (message.clientMessageId ?? null) : null,
    author: message.sender,
    text: message.message,
    at: new Date(message.timestamp),
  };
}

export function ofConversation(message: ConversationMessage, me: string): Said {
  return {
    id: message.message_id,
    seq: message.seq,
    clientId: message.sender_id === me ? (message.client_message_id ?? null) : null,
    author: { id: message.sender_id, name: message.sender_name },
    text: message.message,
    at: new Date(message.timestamp),
  };
}
