import { useStore } from '@nanostores/react';
import { memo, useMemo, useState } from 'react';
import { Link } from 'wouter';
import { useServices } from '../app/services';
import type { Translator } from '../i18n/i18n';
import { useI18n } from '../i18n/react';
import { Loading } from '../ui/Loading';
import { ChatAvatar } from './ChatAvatar';
import styles from './ChatList.module.css';
import type { Chat } from './chats';
import { NewChat } from './NewChat';
import { nameOf, whenShort } from './name';
import { plain } from './rich';
import { SearchField } from './SearchField';
import { useChats } from './useChats';

/** All chats, the last active first. */
export function ChatList({ open }: { open: string | null }) {
  const i18n = useI18n();
  const { t } = i18n;
  const chats = useChats();
  const state = useStore(chats.$state);
  const here = useStore(chats.$here);
  const [wanted, setWanted] = useState('');
  const all = state.status === 'ready' ? state.chats : [];
  const shown = useMemo(() => all.filter((chat) => matches(chat, wanted, i18n)), [all, wanted, i18n]);
  return (
    <nav className={styles.side} aria-label={t('chat.chats')}>
      <header className={styles.head}>
        <h2>{t('chat.chats')}</h2>
        <NewChat />
      </header>
      {all.length > 0 && (
        <div className={styles.search}>
          <SearchField label={t('chat.search')} value={wanted} onChange={setWanted} />
        </div>
      )}
      {state.status === 'loading' && <Loading />}
      {state.status === 'ready' && all.length === 0 && <Nothing />}
      {all.length > 0 && shown.length === 0 && <p className={styles.none}>{t('chat.noMatch')}</p>}
      <ul className={styles.list}>
        {shown.map((chat) => (
          <ChatLink
            key={chat.id}
            chat={chat}
            open={chat.id === open}
            online={chat.kind === 'person' && (here[chat.id] ?? []).length > 0}
            draft={chat.id === open ? '' : chats.drafts.of(chat.id)}
          />
        ))}
      </ul>
    </nav>
  );
}

function matches(chat: Chat, wanted: string, i18n: Translator): boolean {
  const words = [nameOf(chat, i18n), ...chat.people.map((person) => person.name)].join(' ');
  return words.toLocaleLowerCase().includes(wanted.trim().toLocaleLowerCase());
}

function Nothing() {
  const { t } = useI18n();
  return (
    <div className={styles.none}>
      <p>
        <strong>{t('chat.noneTitle')}</strong>
      </p>
      <p>{t('chat.noneText')}</p>
    </div>
  );
}

interface LinkProps {
  chat: Chat;
  open?: boolean;
  online?: boolean;
  draft?: string;
}

/** One chat of a list: who, the last word, when, and how much is new. */
export const ChatLink = memo(function ChatLink({ chat, open, online, draft }: LinkProps) {
  const i18n = useI18n();
  const { t } = i18n;
  const name = nameOf(chat, i18n);
  return (
    <li>
      <Link href={`/chat/${chat.id}`} className={styles.link} aria-current={open ? 'page' : undefined}>
        <ChatAvatar kind={chat.kind} name={name} online={online ?? false} />
        <span className={styles.words}>
          <span className={styles.line}>
            <bdi className={styles.name}>{name}</bdi>
            {chat.last && (
              <time className={styles.time} dateTime={chat.last.at.toISOString()}>
                {whenShort(chat.last.at, i18n)}
              </time>
            )}
          </span>
          <span className={styles.line}>
            <span className={styles.preview}>
              <span dir="auto" data-draft={Boolean(draft) || undefined}>
                {draft ? t('chat.draft', { text: draft }) : <Preview chat={chat} />}
              </span>
            </span>
            {chat.unread > 0 && !open && <Unread count={chat.unread} />}
          </span>
        </span>
      </Link>
    </li>
  );
});

function Preview({ chat: { last, kind } }: { chat: Chat }) {
  const { t } = useI18n();
  const { session } = useServices();
  if (!last) return null;
  const text = plain(last.text.slice(0, 200));
  if (last.author.id === session.profile?.id) return t('chat.youSaid', { text });
  return kind === 'room' || kind === 'group' ? t('chat.said', { name: last.author.name, text }) : text;
}

function Unread({ count }: { count: number }) {
  const { t } = useI18n();
  return (
    <span className={styles.unread}>
      <span aria-hidden>{count > 99 ? '99+' : count}</span>
      <span className={styles.unseen}>{t('chat.unread', { count })}</span>
    </span>
  );
}
