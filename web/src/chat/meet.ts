import { atom, type ReadableAtom } from 'nanostores';
import type { Api } from '../api';
import { explain } from '../i18n/explain';
import type { Notices } from '../ui/notices';

interface Services {
  api: { platform: Pick<Api['platform'], 'createMeeting'>; chatrooms: Pick<Api['chatrooms'], 'send'> };
  notices: Pick<Notices, 'warn'>;
}

/** A meeting that is started from a chat, to which its link is posted: one, however often the button is pressed. */
export class Meet {
  private readonly busy = atom(false);
  /** Made already, but nobody was told of it. */
  private made: { id: string; meeting_id: string } | null = null;

  constructor(
    private readonly services: Services,
    private readonly chat: string,
  ) {}

  get $busy(): ReadableAtom<boolean> {
    return this.busy;
  }

  /** `words` is what is posted, with the meeting's path in it. Answers with that path, or `null` where it failed. */
  async start(title: string, words: (path: string) => string): Promise<string | null> {
    if (this.busy.get()) return null;
    this.busy.set(true);
    const { api, notices } = this.services;
    try {
      this.made ??= await api.platform.createMeeting({ title });
      const path = `/meeting/${this.made.meeting_id}`;
      await api.chatrooms.send(this.chat, words(path), this.made.id);
      this.made = null;
      return path;
    } catch (error) {
      notices.warn(explain(error));
      return null;
    } finally {
      this.busy.set(false);
    }
  }
}
