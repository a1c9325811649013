import type { Http } from './http';

/** Meetings by link, for people without an account (livekit-meetings.md). */
export class GuestApi {
  constructor(private readonly http: Http) {}

  /** A meeting of the person logged in, or of nobody. */
  create(): Promise<GuestMeeting> {
    return this.http.request('/api/v1/meetings/create', { method: 'POST', as: 'anyone' });
  }

  join(code: string, name: string, passcode?: string): Promise<GuestJoined> {
    const body = { user_name: name, passcode };
    return this.http.request(`/api/v1/meetings/${encodeURIComponent(code)}/join`, {
      method: 'POST',
      as: 'nobody',
      body,
    });
  }

  info(code: string): Promise<GuestMeetingInfo> {
    return this.http.request(`/api/v1/meetings/${encodeURIComponent(code)}/info`, { as: 'nobody' });
  }

  async exists(code: string): Promise<boolean> {
    const path = `/api/v1/meetings/${encodeURIComponent(code)}/exists`;
    return (await this.http.request<{ exists: boolean }>(path, { as: 'nobody' })).exists;
  }

  /** Open for guests' meetings; for others, members alone may ask. */
  participants(code: string): Promise<{ participants: LiveParticipant[]; count: number }> {
    return this.http.request(`/api/v1/meetings/${encodeURIComponent(code)}/participants`, { as: 'anyone' });
  }
}

export interface GuestMeeting {
  /** The code: `abc-defg-hij`. */
  meeting_id: string;
  meeting_link: string;
  created_at: string;
  livekit_url: string;
}

export interface GuestMeetingInfo {
  meeting_id: string;
  exists: boolean;
  num_participants: number;
  created_at: string;
  max_participants: number;
}

export interface GuestJoined {
  /** For the meeting's WebSocket, LiveKit, and as bearer token of the meeting's chat. */
  token: string;
  meeting_id: string;
  user_name: string;
  livekit_url: string;
  /** LiveKit's name for this participant. */
  user_id: string;
  participant_id: string;
  status: 'joined' | 'waiting';
  websocket_url: string;
}

export interface LiveParticipant {
  sid: string;
  identity: string;
  name: string;
  state: string;
  /** Unix seconds. */
  joined_at: number;
}
