import type { ReadableAtom } from 'nanostores';
import type { Participant, PlatformApi } from '../api/platform';
import { Emitter } from '../store/emitter';
import { CatchUp } from './catchup';
import { Line, type LineState, socketAddress } from './line';

/** The meeting's events, as the server tells them (contract.md, "Meeting WebSocket"). */
export interface MeetingEvents {
  /** On each connection, first: where one stands and who is there. */
  connected: {
    participant_id: string | null;
    status: 'joined' | 'waiting';
    seq: number | null;
    /** `null` while one waits. */
    meeting: About | null;
    participants: Participant[];
  };
  participant_joined: Participant;
  participant_left: Participant;
  participant_updated: Participant;
  /** For hosts: somebody is at the door. */
  participant_waiting: Participant;
  /** For hosts, and for the one who waited, with the full token; this connection is then in the meeting. */
  participant_admitted: Participant & { meeting_token: string | null };
  participant_denied: Participant;
  participant_removed: Participant;
  participant_muted: Participant & { by: string };
  unmute_requested: { participant_id: string; by: string };
  meeting_updated: About;
  meeting_locked: { locked: true };
  meeting_unlocked: { locked: false };
  meeting_ended: { meeting_code: string; reason: 'ended' | 'cancelled' | 'deleted'; ended_at: string | null };
  chat_message: ChatMessage;
  typing: Author & { is_typing: boolean };
  reaction: Author & { emoji: string };
  raise_hand: Author & { raised: boolean };
  error: { code: string; message: string; retry_after?: number };
}

/** What everybody inside knows of the meeting. */
export interface About {
  title: string;
  description: string | null;
  is_locked: boolean;
  chat_enabled: boolean;
  screen_sharing_enabled: boolean;
}

export interface ChatMessage {
  message_id: string;
  /** `null` for a guest, whose participant is in `sender_participant_id`. */
  sender_id: string | null;
  sender_participant_id?: string;
  sender_name: string;
  content: string;
  message_type: 'text' | 'emoji' | 'file' | 'system';
  is_private: boolean;
  recipient_user_id: string | null;
  client_message_id?: string;
  timestamp: string;
  /** Place in the room's order. */
  seq: number;
}

export interface Author {
  user_id: string | null;
  participant_id: string | null;
  display_name: string;
}

/** What a client may say. */
export type MeetingCommand =
  | {
      type: 'join_meeting';
      data: { display_name?: string; audio_enabled?: boolean; video_enabled?: boolean };
    }
  | { type: 'leave_meeting'; data: Record<string, never> }
  | { type: 'chat_message'; data: { content: string; client_message_id: string; recipient_user_id?: string } }
  | { type: 'typing'; data: { is_typing: boolean } }
  | { type: 'reaction'; data: { emoji: string } }
  | { type: 'raise_hand'; data: { raised: boolean } }
  | { type: 'lock_meeting' | 'unlock_meeting' | 'mute_all'; data: Record<string, never> }
  | { type: HostEvent; data: { participant_id: string } };

type HostEvent =
  | 'admit_participant'
  | 'deny_participant'
  | 'mute_participant'
  | 'ask_unmute'
  | 'remove_participant'
  | 'readmit_participant'
  | 'make_co_host'
  | 'revoke_co_host'
  | 'lower_hand';

/**
 * The live side of one meeting, `/ws/meetings/{code}`. It reconnects by itself, and what was said meanwhile arrives
 * then as `chat_message`s, perhaps after newer ones: `seq` is the order. `token` is asked for on each try.
 */
export class MeetingLine {
  readonly events = new Emitter<MeetingEvents>();
  private readonly line: Line;
  private catchUp: CatchUp | null = null;

  /** `since`: the last message's `seq` already known, if the history was read. */
  constructor(
    api: Pick<PlatformApi, 'mayAttend'>,
    code: string,
    token: () => Promise<string>,
    since?: number,
    connect?: (address: string) => WebSocket,
  ) {
    if (since !== undefined) this.catchUp = new CatchUp(since);
    this.line = new Line({
      address: async () =>
        socketAddress(`/ws/meetings/${encodeURIComponent(code)}`, { token: await token() }),
      refused: async () => api.mayAttend(code, await token()),
      onFrame: (frame) => this.hear(frame as { type: keyof MeetingEvents | 'pong'; data: never }),
      ...(connect ? { connect } : {}),
    });
  }

  get state(): ReadableAtom<LineState> {
    return this.line.state;
  }

  send(command: MeetingCommand): boolean {
    return this.line.send(command);
  }

  close(): void {
    this.line.close();
  }

  private hear(frame: { type: keyof MeetingEvents | 'pong'; data: never }): void {
    const data: MeetingEvents['connected'] & MeetingEvents['chat_message'] & { fence?: number } = frame.data;
    if (frame.type === 'pong') {
      if (data?.fence) this.catchUp?.reached(data.fence);
      return;
    }
    if (frame.type === 'connected' && data.seq !== null) this.resume(data.seq);
    if (frame.type === 'chat_message') this.catchUp?.saw(data.seq);
    this.events.emit(frame.type, frame.data);
  }

  private resume(seq: number): void {
    if (!this.catchUp) {
      this.catchUp = new CatchUp(seq);
      return;
    }
    const { since, fence } = this.catchUp.ask();
    this.line.send({ type: 'resume', data: { since_seq: since } });
    this.line.send({ type: 'ping', data: { fence } });
  }
}
