import { useStore } from '@nanostores/react';
import { useEffect, useState } from 'react';
import { navigate } from 'wouter/use-browser-location';
import { useModel, useServices } from '../app/services';
import { explain } from '../i18n/explain';
import { text } from '../i18n/i18n';
import { useI18n } from '../i18n/react';
import { Button, LinkButton } from '../ui/Button';
import { Dialog } from '../ui/Dialog';
import { Failure } from '../ui/Failure';
import { BackIcon, LogOutIcon, MeetingIcon, MoreIcon, OfflineIcon, PeopleIcon } from '../ui/icons';
import { Loading } from '../ui/Loading';
import { Menu, MenuItem, MenuLine } from '../ui/Menu';
import { ChatAvatar } from './ChatAvatar';
import { Composer } from './Composer';
import type { Chat } from './chats';
import { MessageList } from './MessageList';
import { Meet } from './meet';
import { nameOf } from './name';
import styles from './ThreadPane.module.css';
import { Thread } from './thread';
import { useChats } from './useChats';

/** One chat: who is in it, what was said, and the field to say more. */
export function ThreadPane({ chat }: { chat: Chat }) {
  const i18n = useI18n();
  const chats = useChats();
  const thread = useModel(({ api }) => new Thread({ api, chats }, chat.id));
  const state = useStore(thread.$state);
  const name = nameOf(chat, i18n);
  return (
    <section className={styles.thread} aria-label={name}>
      <Head chat={chat} name={name} />
      <Offline />
      {state.status === 'loading' && (
        <div className={styles.wait}>
          <Loading />
        </div>
      )}
      {state.status === 'failed' && (
        <div className={styles.wait}>
          <Failure text={state.problem} onRetry={() => void thread.load()} />
        </div>
      )}
      {state.status === 'ready' && <MessageList thread={thread} />}
      <Below thread={thread} />
      <Composer thread={thread} name={name} />
      <News thread={thread} />
    </section>
  );
}

function Head({ chat, name }: { chat: Chat; name: string }) {
  const { t } = useI18n();
  const here = useStore(useChats().$here)[chat.id] ?? [];
  const online = chat.kind === 'person' && here.length > 0;
  return (
    <header className={styles.head}>
      <LinkButton href="/chat" look="quiet" icon className={styles.back} aria-label={t('chat.back')}>
        <BackIcon aria-hidden />
      </LinkButton>
      <ChatAvatar kind={chat.kind} name={name} online={online} />
      <div className={styles.words}>
        <h2 className={styles.name}>
          <bdi>{name}</bdi>
        </h2>
        {online && <p className={styles.sub}>{t('chat.online')}</p>}
        {chat.kind === 'room' && (
          <p className={styles.sub}>{t('chat.members', { count: chat.people.length })}</p>
        )}
        {chat.kind === 'group' && (
          <p className={styles.sub}>{t('chat.members', { count: chat.people.length + 1 })}</p>
        )}
      </div>
      <Actions chat={chat} name={name} />
    </header>
  );
}

function Actions({ chat, name }: { chat: Chat; name: string }) {
  const { t } = useI18n();
  const { notices } = useServices();
  const chats = useChats();
  const [members, showMembers] = useState(false);
  const leave = async () => {
    try {
      await chats.leaveRoom(chat.id);
      notices.say(text('chat.left', { name }));
      navigate('/chat');
    } catch (error) {
      notices.warn(explain(error));
    }
  };
  const meet = useModel((services) => new Meet(services, chat.id));
  const starting = useStore(meet.$busy);
  const start = async () => {
    const title = chat.kind === 'room' ? name : t('chat.title');
    const path = await meet.start(title, (path) =>
      t('chat.invite', { link: new URL(path, location.href).href }),
    );
    if (path) navigate(path);
  };
  if (chat.kind === 'assistant') return null;
  return (
    <>
      <Button
        look="quiet"
        icon
        busy={starting}
        aria-label={t('chat.startMeeting')}
        onClick={() => void start()}
      >
        <MeetingIcon aria-hidden />
      </Button>
      <Menu
        trigger={
          <Button look="quiet" icon aria-label={t('chat.more')}>
            <MoreIcon aria-hidden />
          </Button>
        }
      >
        <MenuItem icon={<PeopleIcon aria-hidden />} onClick={() => showMembers(true)}>
          {t('chat.membersTitle')}
        </MenuItem>
        {chat.kind === 'room' && (
          <>
            <MenuLine />
            <MenuItem danger icon={<LogOutIcon aria-hidden />} onClick={() => void leave()}>
              {t('chat.leave')}
            </MenuItem>
          </>
        )}
      </Menu>
      <Dialog open={members} onClose={() => showMembers(false)} title={t('chat.membersTitle')}>
        <Members chat={chat} />
      </Dialog>
    </>
  );
}

function Members({ chat }: { chat: Chat }) {
  const { t } = useI18n();
  const chats = useChats();
  const others = chat.people.filter((person) => person.id !== chats.me);
  const sorted = [...others].sort((a, b) => a.name.localeCompare(b.name));
  return (
    <ul className={styles.members}>
      <li>{t('chat.you')}</li>
      {sorted.map((person) => (
        <li key={person.id ?? person.name}>
          <bdi>{person.name}</bdi>
        </li>
      ))}
    </ul>
  );
}

/** Says that the connection is gone, once it stays so for a moment. */
function Offline() {
  const { t } = useI18n();
  const connected = useStore(useChats().$connected);
  const [late, setLate] = useState(false);
  useEffect(() => {
    setLate(false);
    const timer = connected ? undefined : setTimeout(() => setLate(true), 1_500);
    return () => clearTimeout(timer);
  }, [connected]);
  return (
    <div role="status">
      {!connected && late && (
        <p className={styles.offline}>
          <OfflineIcon size={16} aria-hidden />
          {t('chat.offline')}
        </p>
      )}
    </div>
  );
}

/** Between the messages and the field: who types, what the agent does. */
function Below({ thread }: { thread: Thread }) {
  const { t, list } = useI18n();
  const names = useStore(thread.$typing);
  const answer = useStore(thread.$answer);
  return (
    <div className={styles.below}>
      {names.length > 0 && <p>{t('chat.typing', { names: list(names.slice(0, 3)), count: names.length })}</p>}
      {answer && (
        <>
          <p>{answer.text === '' && t('chat.thinking')}</p>
          <Button look="quiet" className={styles.stop} onClick={() => void thread.cancel()}>
            {t('chat.stop')}
          </Button>
        </>
      )}
    </div>
  );
}

/** Reads new messages out to those who do not see them appear. */
function News({ thread }: { thread: Thread }) {
  const { t } = useI18n();
  const news = useStore(thread.$news);
  return (
    <p className={styles.unseen} aria-live="polite">
      {news && t('chat.said', { name: news.author.name, text: news.text.slice(0, 500) })}
    </p>
  );
}
