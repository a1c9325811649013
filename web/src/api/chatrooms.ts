import type { Http } from './http';

/** Chatrooms (chatrooms.md); the live side is `live/chatrooms.ts`. */
export class ChatroomsApi {
  constructor(private readonly http: Http) {}

  /** The person's own by their last activity, or all there are. */
  list(all = false): Promise<Chatroom[]> {
    return this.http.request('/api/chatroom/', { query: { all: all || undefined } });
  }

  create(name: string): Promise<Chatroom> {
    return this.http.request('/api/chatroom/', { method: 'POST', body: { name } });
  }

  /** For members. */
  get(id: string): Promise<Chatroom> {
    return this.http.request(`/api/chatroom/${encodeURIComponent(id)}`);
  }

  join(id: string): Promise<unknown> {
    return this.http.request(`/api/chatroom/${encodeURIComponent(id)}/join`, { method: 'POST' });
  }

  leave(id: string): Promise<unknown> {
    return this.http.request(`/api/chatroom/${encodeURIComponent(id)}/leave`, { method: 'POST' });
  }

  send(id: string, message: string, clientMessageId: string): Promise<ChatroomMessage> {
    return this.http.request('/api/message/', {
      method: 'POST',
      body: { chatroomId: id, message },
      idempotencyKey: clientMessageId,
    });
  }

  /** Oldest first: the newest `limit` (1 to 1000) of all, or before `before_seq`; with `since_seq` the oldest after it. */
  messages(
    id: string,
    range: { limit?: number; before_seq?: number; since_seq?: number } = {},
  ): Promise<ChatroomMessage[]> {
    return this.http.request(`/api/message/${encodeURIComponent(id)}`, { query: range });
  }

  /** Changes the person's own e-mail address or password; a new password ends their other sessions. */
  updateSelf(id: string, change: { name?: string; email?: string; password?: string }): Promise<unknown> {
    return this.http.request(`/api/user/${encodeURIComponent(id)}`, { method: 'PUT', body: change });
  }
}

export interface Chatroom {
  id: string;
  name: string;
  members: { id: string | null; name: string }[];
  created_at: string;
}

export interface ChatroomMessage {
  id: string;
  chatroomId: string;
  sender: { id: string | null; name: string };
  message: string;
  timestamp: string;
  /** Place in the chatroom's order, from 1. */
  seq: number;
  clientMessageId?: string;
}
