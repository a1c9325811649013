import { atom, type ReadableAtom } from 'nanostores';
import type { Api } from '../../api';
import type { HostAct, MeetingDetails, Participant } from '../../api/platform';
import { explain } from '../../i18n/explain';
import { type Text, text } from '../../i18n/i18n';
import type { MeetingLine } from '../../live/meeting';
import type { Notices } from '../../ui/notices';
import type { Members } from './members';

interface Services {
  api: { platform: Pick<Api['platform'], 'control' | 'lock' | 'muteAll'> };
  notices: Pick<Notices, 'say' | 'warn'>;
}

/** What hosts and co-hosts do. The server lets nobody else; so the buttons are theirs alone. */
export class Hosting {
  private readonly locked = atom(false);

  constructor(
    private readonly services: Services,
    private readonly code: string,
    private readonly line: Pick<MeetingLine, 'events' | 'send'>,
    private readonly members: Members,
  ) {
    const { events } = line;
    events.on('connected', ({ meeting }) => meeting && this.locked.set(meeting.is_locked));
    events.on('meeting_locked', () => this.locked.set(true));
    events.on('meeting_unlocked', () => this.locked.set(false));
  }

  /** Nobody new comes in. */
  get $locked(): ReadableAtom<boolean> {
    return this.locked;
  }

  /** Who waited, and who was out, when one came or became a host. */
  begin({ participants, removed }: Pick<MeetingDetails, 'participants' | 'removed'>): void {
    this.members.expect(
      participants.filter(({ status }) => status === 'waiting'),
      removed,
    );
  }

  admit(who: Participant): Promise<void> {
    return this.act(who.participant_id, 'admit');
  }

  /** By the meeting's line, which takes more at once than may be asked for in a minute; where it is down, one by one. */
  async admitAll(): Promise<void> {
    for (const who of this.members.$waiting.get()) {
      const data = { participant_id: who.participant_id };
      if (!this.line.send({ type: 'admit_participant', data })) await this.admit(who);
    }
  }

  deny(who: Participant): Promise<void> {
    return this.act(who.participant_id, 'deny');
  }

  mute(participantId: string): Promise<void> {
    return this.act(participantId, 'mute');
  }

  askToUnmute(participantId: string): Promise<void> {
    return this.act(participantId, 'ask-unmute', text('meeting.askedToUnmute'));
  }

  remove(participantId: string): Promise<void> {
    return this.act(participantId, 'remove');
  }

  makeCoHost(participantId: string): Promise<void> {
    return this.act(participantId, 'co-host');
  }

  revokeCoHost(participantId: string): Promise<void> {
    return this.act(participantId, 'revoke-co-host');
  }

  lowerHand(participantId: string): Promise<void> {
    return this.act(participantId, 'lower-hand');
  }

  async readmit(who: Participant): Promise<void> {
    await this.attempt(
      async () => {
        await this.services.api.platform.control(this.code, who.participant_id, 'readmit');
        this.members.backIn(who);
      },
      text('meeting.mayComeBack', { name: who.display_name }),
    );
  }

  async setLocked(locked: boolean): Promise<void> {
    await this.attempt(async () => {
      const { is_locked } = await this.services.api.platform.lock(this.code, locked);
      this.locked.set(is_locked);
    });
  }

  async muteAll(): Promise<void> {
    await this.attempt(() => this.services.api.platform.muteAll(this.code), text('meeting.mutedAll'));
  }

  private act(participantId: string, act: HostAct, done?: Text): Promise<void> {
    return this.attempt(() => this.services.api.platform.control(this.code, participantId, act), done);
  }

  private async attempt(act: () => Promise<unknown>, done?: Text): Promise<void> {
    try {
      await act();
      if (done) this.services.notices.say(done);
    } catch (error) {
      this.services.notices.warn(explain(error));
    }
  }
}
