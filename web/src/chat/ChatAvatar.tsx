import { Avatar } from '../ui/Avatar';
import { AssistantIcon, PeopleIcon, RoomIcon } from '../ui/icons';
import styles from './ChatAvatar.module.css';
import type { Chat } from './chats';

const ICONS = { group: PeopleIcon, assistant: AssistantIcon, room: RoomIcon };

/** A chat as a circle. Decoration; its name stands beside it. */
export function ChatAvatar({ kind, name, online }: { kind: Chat['kind']; name: string; online?: boolean }) {
  if (kind === 'person') {
    return (
      <span className={styles.person} data-online={online || undefined}>
        <Avatar name={name} size={40} />
      </span>
    );
  }
  const Icon = ICONS[kind];
  return (
    <span className={styles.circle} data-kind={kind} aria-hidden>
      <Icon size={20} />
    </span>
  );
}
