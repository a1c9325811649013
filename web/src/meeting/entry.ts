import type { Api } from '../api';
import type { Role } from '../api/platform';

/** The way into a meeting, or to its door. */
export interface Ticket {
  code: string;
  participantId: string;
  /** `null` for a guest. */
  userId: string | null;
  /** LiveKit's name for this participant. */
  identity: string;
  name: string;
  role: Role;
  /** `waiting`: the token opens the waiting room alone. */
  status: 'joined' | 'waiting';
  token: string;
  /** Where the media are, as the server words it: `mediaAddress` knows where that is for us. */
  urls: { livekit_url: string; websocket_url: string };
}

export interface Application {
  code: string;
  name: string;
  passcode: string;
  camera: boolean;
  microphone: boolean;
}

/** Asks to be let in: as the person logged in, or as a guest. */
export async function enter(
  api: { platform: Pick<Api['platform'], 'join'>; guest: Pick<Api['guest'], 'join'> },
  asGuest: boolean,
  { code, name, passcode, camera, microphone }: Application,
): Promise<Ticket> {
  if (asGuest) {
    const joined = await api.guest.join(code, name, passcode || undefined);
    return {
      code: joined.meeting_id,
      participantId: joined.participant_id,
      userId: null,
      identity: joined.user_id,
      name: joined.user_name,
      role: 'participant',
      status: joined.status,
      token: joined.token,
      urls: joined,
    };
  }
  const joined = await api.platform.join(code, {
    display_name: name,
    video_enabled: camera,
    audio_enabled: microphone,
    ...(passcode ? { passcode } : {}),
  });
  return {
    code,
    participantId: joined.participant_id,
    userId: joined.user_id,
    identity: joined.identity,
    name,
    role: joined.role,
    status: joined.status,
    token: joined.meeting_token,
    urls: joined,
  };
}

/** Gives a seat back that nobody takes, so that others do not wait for somebody. If that fails the server does so in a minute. */
export function giveBack(
  api: { platform: Pick<Api['platform'], 'leave'> },
  { code, participantId, userId, token }: Ticket,
): void {
  api.platform.leave(code, participantId, userId === null ? token : undefined).catch(() => {});
}
