import { ApiError } from './errors';
import type { Http } from './http';
import type { Tokens } from './tokens';

/** The API of the full meeting product (platform.md): accounts, meetings, host controls, chat in meetings. */
export class PlatformApi {
  constructor(private readonly http: Http) {}

  register(person: Registration): Promise<Account> {
    return this.http.request('/api/v1/auth/register', { method: 'POST', as: 'nobody', body: person });
  }

  async logIn(emailOrPhone: string, password: string): Promise<Tokens> {
    const body = { email_or_phone: emailOrPhone, password };
    return tokens(await this.http.request('/api/v1/auth/login', { method: 'POST', as: 'nobody', body }));
  }

  /** Not for use but by the keeper of the tokens: a refresh token is good once, but for who repeats the same request. */
  async refresh(refreshToken: string, idempotencyKey: string): Promise<Tokens> {
    const as = { token: refreshToken };
    return tokens(await this.http.request('/api/v1/auth/refresh', { method: 'POST', as, idempotencyKey }));
  }

  /** Ends all of the person's sessions, on every device. */
  logOut(): Promise<Said> {
    return this.http.request('/api/v1/auth/logout', { method: 'POST' });
  }

  verifyEmail(code: string): Promise<Said> {
    const body = { verification_code: code };
    return this.http.request('/api/v1/auth/verify-email', { method: 'POST', as: 'anyone', body });
  }

  verifyPhone(code: string): Promise<Said> {
    const body = { verification_code: code };
    return this.http.request('/api/v1/auth/verify-phone', { method: 'POST', as: 'anyone', body });
  }

  resendVerification(emailOrPhone: string): Promise<Said> {
    const body = { email_or_phone: emailOrPhone };
    return this.http.request('/api/v1/auth/resend-verification', { method: 'POST', as: 'nobody', body });
  }

  profile(): Promise<Profile> {
    return this.http.request('/api/v1/users/profile');
  }

  updateProfile(change: ProfileChange): Promise<unknown> {
    return this.http.request('/api/v1/users/profile', { method: 'PUT', body: change });
  }

  deleteAccount(): Promise<unknown> {
    return this.http.request('/api/v1/users/profile', { method: 'DELETE' });
  }

  createMeeting(meeting: NewMeeting): Promise<Meeting> {
    return this.http.request('/api/v1/meetings', { method: 'POST', body: meeting });
  }

  meeting(id: string): Promise<MeetingDetails> {
    return this.http.request(`/api/v1/meetings/${encodeURIComponent(id)}`);
  }

  meetings(query: MeetingQuery = {}, signal?: AbortSignal): Promise<MeetingPage> {
    return this.http.request('/api/v1/meetings', { query: { ...query }, signal });
  }

  updateMeeting(id: string, change: Partial<NewMeeting>): Promise<unknown> {
    return this.http.request(`/api/v1/meetings/${encodeURIComponent(id)}`, { method: 'PUT', body: change });
  }

  /** Cancels a scheduled meeting, ends a running one. */
  deleteMeeting(id: string): Promise<unknown> {
    return this.http.request(`/api/v1/meetings/${encodeURIComponent(id)}`, { method: 'DELETE' });
  }

  join(id: string, as: JoinRequest): Promise<Joined> {
    return this.http.request(`/api/v1/meetings/${encodeURIComponent(id)}/join`, { method: 'POST', body: as });
  }

  /** Asks, by its address, whether the meeting's WebSocket would open to a meeting token, and throws why not. */
  async mayAttend(id: string, token: string): Promise<void> {
    try {
      await this.http.request(`/ws/meetings/${encodeURIComponent(id)}`, { query: { token }, as: 'nobody' });
    } catch (error) {
      // It would: all that is wrong is that this is no WebSocket.
      if (!(error instanceof ApiError && error.code === 'BAD_REQUEST')) throw error;
    }
  }

  /** Without `participantId` all of the person's devices leave. A guest brings the meeting token. */
  leave(id: string, participantId?: string, token?: string): Promise<{ duration_seconds: number }> {
    return this.http.request(`/api/v1/meetings/${encodeURIComponent(id)}/leave`, {
      method: 'POST',
      body: participantId ? { participant_id: participantId } : undefined,
      as: token ? { token } : 'person',
    });
  }

  end(id: string): Promise<MeetingEnd> {
    return this.http.request(`/api/v1/meetings/${encodeURIComponent(id)}/end`, { method: 'POST' });
  }

  /** A host's act on one participant. */
  control(id: string, participantId: string, act: HostAct): Promise<Participant> {
    const path = `/api/v1/meetings/${encodeURIComponent(id)}/participants/${encodeURIComponent(participantId)}`;
    return this.http.request(`${path}/${act}`, { method: 'POST' });
  }

  lock(id: string, locked: boolean): Promise<{ is_locked: boolean }> {
    const act = locked ? 'lock' : 'unlock';
    return this.http.request(`/api/v1/meetings/${encodeURIComponent(id)}/${act}`, { method: 'POST' });
  }

  muteAll(id: string): Promise<{ participants: Participant[] }> {
    return this.http.request(`/api/v1/meetings/${encodeURIComponent(id)}/mute-all`, { method: 'POST' });
  }

  /** `clientMessageId`: the same one again makes no second message. A guest brings the meeting token. */
  sendMessage(
    id: string,
    message: NewMeetingMessage,
    clientMessageId: string,
    token?: string,
  ): Promise<MeetingMessage> {
    return this.http.request(`/api/v1/meetings/${encodeURIComponent(id)}/messages`, {
      method: 'POST',
      body: message,
      idempotencyKey: clientMessageId,
      as: token ? { token } : 'person',
    });
  }

  /** Page 1 holds the oldest messages. */
  messages(
    id: string,
    page: { page?: number; limit?: number } = {},
    token?: string,
  ): Promise<MeetingMessagePage> {
    const as = token ? { token } : 'person';
    return this.http.request(`/api/v1/meetings/${encodeURIComponent(id)}/messages`, { query: page, as });
  }
}

export interface Said {
  message: string;
}

export interface Registration {
  first_name: string;
  last_name: string;
  email?: string;
  phone_number?: string;
  password: string;
  confirm_password: string;
}

export interface Account {
  id: string;
  number: number;
  email: string | null;
  phone_number: string | null;
  first_name: string;
  last_name: string;
  display_name: string;
  avatar_url: string | null;
  email_verified: boolean;
  phone_verified: boolean;
  is_verified: boolean;
  /** Every time is RFC 3339 in UTC. */
  created_at: string;
}

export interface Profile extends Account {
  last_login: string | null;
  /** IANA name. */
  timezone: string;
  preferred_language: string;
  meeting_settings: DeviceDefaults;
}

export interface DeviceDefaults {
  default_video_enabled: boolean;
  default_audio_enabled: boolean;
  auto_join_audio: boolean;
}

export interface ProfileChange {
  first_name?: string;
  last_name?: string;
  display_name?: string;
  timezone?: string;
  preferred_language?: string;
  meeting_settings?: Partial<DeviceDefaults>;
}

export type MeetingStatus = 'scheduled' | 'active' | 'ended' | 'cancelled';

export interface MeetingSettings {
  waiting_room_enabled: boolean;
  require_password: boolean;
  allow_join_before_host: boolean;
  recording_enabled: boolean;
  auto_recording: boolean;
  chat_enabled: boolean;
  screen_sharing_enabled: boolean;
  max_participants: number;
}

export interface NewMeeting {
  title: string;
  description?: string | null;
  scheduled_start_time?: string | null;
  scheduled_end_time?: string | null;
  timezone?: string;
  settings?: Partial<MeetingSettings>;
  /** The host's own; else one is made where `require_password` asks for one. */
  passcode?: string;
}

export interface Meeting {
  id: string;
  /** The code, as in links: `123-456-789`. */
  meeting_id: string;
  title: string;
  description: string | null;
  host_user_id: string | null;
  scheduled_start_time: string | null;
  scheduled_end_time: string | null;
  timezone: string;
  status: MeetingStatus;
  join_url: string;
  /** Hosts alone see it. */
  passcode: string | null;
  settings: MeetingSettings;
  created_at: string;
}

export interface MeetingDetails extends Meeting {
  actual_start_time: string | null;
  actual_end_time: string | null;
  current_participant_count: number;
  is_locked: boolean;
  updated_at: string;
  /** For members; others see none. */
  participants: Participant[];
  /** For hosts: who was removed and not let back in. */
  removed: Participant[];
}

export interface MeetingRow {
  id: string;
  meeting_id: string;
  title: string;
  scheduled_start_time: string | null;
  scheduled_end_time: string | null;
  status: MeetingStatus;
  participant_count: number;
  max_participants: number;
  host_user_id: string | null;
  created_at: string;
}

export interface MeetingQuery {
  page?: number;
  limit?: number;
  status?: MeetingStatus;
  start_date?: string;
  end_date?: string;
}

export interface Pagination {
  page: number;
  limit: number;
  total: number;
  pages: number;
  has_next: boolean;
  has_prev: boolean;
}

export interface MeetingPage {
  /** Newest first. */
  meetings: MeetingRow[];
  pagination: Pagination;
}

export type Role = 'host' | 'co_host' | 'participant';
export type Presence = 'waiting' | 'joined' | 'left' | 'removed' | 'denied';

export interface Participant {
  participant_id: string;
  /** `null` for a guest. */
  user_id: string | null;
  display_name: string;
  role: Role;
  status: Presence;
  /** LiveKit's name for this participant. */
  identity: string;
  join_time: string;
  audio_enabled: boolean;
  video_enabled: boolean;
  hand_raised: boolean;
}

export interface JoinRequest {
  display_name?: string;
  video_enabled?: boolean;
  audio_enabled?: boolean;
  passcode?: string;
}

export interface Joined {
  participant_id: string;
  /** `waiting`: at the door; the token opens the waiting room alone. */
  status: 'joined' | 'waiting';
  role: Role;
  /** For the meeting's WebSocket and for LiveKit. */
  meeting_token: string;
  webrtc_config: { iceServers: { urls: string; username?: string; credential?: string }[] };
  websocket_url: string;
  livekit_url: string;
  user_id: string | null;
  identity: string;
}

export interface MeetingEnd {
  ended_at: string | null;
  total_duration_seconds: number;
  total_participants: number;
}

export type HostAct =
  | 'admit'
  | 'deny'
  | 'mute'
  | 'ask-unmute'
  | 'remove'
  | 'readmit'
  | 'co-host'
  | 'revoke-co-host'
  | 'lower-hand';

export interface NewMeetingMessage {
  content: string;
  /** A user id, or for a guest a participant id; then the message is private. */
  recipient_user_id?: string;
  is_private?: boolean;
}

export interface MeetingMessage {
  id: string;
  meeting_id: string;
  /** `null` for a guest. */
  sender_user_id: string | null;
  sender_name: string;
  content: string;
  message_type: 'text' | 'emoji' | 'file' | 'system';
  is_private: boolean;
  recipient_user_id: string | null;
  /** Place in the room's order. */
  seq: number;
  client_message_id?: string;
  created_at: string;
}

export interface MeetingMessagePage {
  /** Oldest first. */
  messages: MeetingMessage[];
  pagination: Pagination;
}

interface WireTokens {
  access_token: string;
  refresh_token: string;
  /** Seconds. */
  expires_in: number;
}

function tokens(wire: WireTokens): Tokens {
  return {
    access: wire.access_token,
    refresh: wire.refresh_token,
    expiresAt: Date.now() + wire.expires_in * 1000,
  };
}
