import { atom, computed, type ReadableAtom } from 'nanostores';
import type { Api } from '../api';
import type { Chatroom } from '../api/chatrooms';
import { explain } from '../i18n/explain';
import type { Text } from '../i18n/i18n';
import type { Chats } from './chats';

/** More chatrooms than this are not listed: one types a letter more. */
const MOST = 100;

export interface FoundRoom {
  id: string;
  name: string;
  members: number;
  /** Whether this person is in it. */
  joined: boolean;
}

/** All chatrooms of the server, to find one and join it. */
export class RoomFinder {
  readonly $wanted = atom('');
  private readonly all = atom<readonly FoundRoom[] | null>(null);
  private readonly problem = atom<Text | null>(null);

  constructor(
    private readonly services: {
      api: { chatrooms: Pick<Api['chatrooms'], 'list'> };
      chats: Pick<Chats, 'me' | 'joinRoom'>;
    },
  ) {
    void this.load();
  }

  /** Those who match what was typed, the newest first; `null`: not read yet. */
  readonly $shown: ReadableAtom<readonly FoundRoom[] | null> = computed(
    [this.all, this.$wanted],
    (all, wanted) =>
      all
        ?.filter((room) => room.name.toLocaleLowerCase().includes(wanted.trim().toLocaleLowerCase()))
        .slice(0, MOST) ?? null,
  );

  get $problem(): ReadableAtom<Text | null> {
    return this.problem;
  }

  async load(): Promise<void> {
    this.problem.set(null);
    try {
      const rooms = await this.services.api.chatrooms.list(true);
      this.all.set(rooms.map((room) => this.show(room)));
    } catch (error) {
      this.problem.set(explain(error));
    }
  }

  /** Joins, where need be. Answers whether one is in it now. */
  async enter(room: FoundRoom): Promise<boolean> {
    if (room.joined) return true;
    try {
      await this.services.chats.joinRoom(room.id);
      return true;
    } catch (error) {
      this.problem.set(explain(error));
      return false;
    }
  }

  private show({ id, name, members }: Chatroom): FoundRoom {
    const joined = members.some((member) => member.id === this.services.chats.me);
    return { id, name, members: members.length, joined };
  }
}
