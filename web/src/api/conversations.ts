import type { Http } from './http';

/** One-to-one conversations and those with the AI agent (conversations.md). */
export class ConversationsApi {
  constructor(private readonly http: Http) {}

  /** Newest activity first. */
  list(): Promise<Conversation[]> {
    return this.http.request('/api/conversations');
  }

  /** The conversation with the agent, or with these people: the same two people share one. */
  open(request: { is_ai: boolean; participant_ids?: string[]; title?: string }): Promise<Conversation> {
    return this.http.request('/api/conversations', { method: 'POST', body: request });
  }

  /** Oldest first: the newest `limit` (1 to 100), or with `since_seq` the oldest after it. */
  messages(id: string, range: { since_seq?: number; limit?: number } = {}): Promise<ConversationMessage[]> {
    return this.http.request(`/api/conversations/${encodeURIComponent(id)}`, { query: range });
  }

  send(id: string, message: string, clientMessageId: string): Promise<PostedMessage> {
    return this.http.request('/api/messages/', {
      method: 'POST',
      body: { conversation_id: id, message },
      idempotencyKey: clientMessageId,
    });
  }

  /** Breaks off the agent's answer. */
  cancel(id: string): Promise<{ cancelled: boolean }> {
    return this.http.request(`/api/conversations/${encodeURIComponent(id)}/cancel`, { method: 'POST' });
  }

  /** A WebSocket's address with a ticket in it, good once and for a minute. */
  connect(id: string): Promise<{ websocket_url: string }> {
    return this.http.request(`/api/conversations/${encodeURIComponent(id)}/connect`, { method: 'POST' });
  }

  people(): Promise<Person[]> {
    return this.http.request('/api/users/');
  }

  person(id: string): Promise<Person> {
    return this.http.request(`/api/users/${encodeURIComponent(id)}`);
  }
}

export interface Person {
  user_id: string;
  email: string | null;
  name: string;
  profile_picture: string | null;
}

export interface Conversation {
  conversation_id: string;
  is_ai: boolean;
  participants: { user_id: string; name: string }[];
  created_at: string;
  title: string | null;
  last_message: ConversationMessage | null;
}

export interface ConversationMessage {
  message_id: string;
  /** `null` for a guest. */
  sender_id: string | null;
  sender_name: string;
  message: string;
  timestamp: string;
  /** Place in the conversation's order. */
  seq: number;
  client_message_id?: string;
}

export interface PostedMessage {
  message_id: string;
  message: string;
  timestamp: string;
  seq: number;
}
