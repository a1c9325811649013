import { useStore } from '@nanostores/react';
import { useEffect } from 'react';
import { useRoute } from 'wouter';
import { useI18n } from '../i18n/react';
import { Failure } from '../ui/Failure';
import { ChatIcon } from '../ui/icons';
import { Loading } from '../ui/Loading';
import { useArrival } from '../ui/Page';
import { ChatList } from './ChatList';
import styles from './ChatPage.module.css';
import { nameOf } from './name';
import { ThreadPane } from './ThreadPane';
import { useChats } from './useChats';

/** The chats beside the open one; on a phone one or the other. */
export default function ChatPage() {
  const { t } = useI18n();
  const i18n = useI18n();
  const chats = useChats();
  const state = useStore(chats.$state);
  const [, params] = useRoute('/chat/:id');
  const open = params?.id ?? null;
  const chat = state.status === 'ready' ? state.chats.find((chat) => chat.id === open) : undefined;
  const main = useArrival(chat ? nameOf(chat, i18n) : t('chat.title'));
  useEffect(() => () => chats.drafts.save(), [chats]);
  return (
    <main id="main" ref={main} tabIndex={-1} className={styles.page} data-open={open !== null}>
      <h1 className={styles.unseen}>{t('chat.title')}</h1>
      <ChatList open={open} />
      <div className={styles.pane}>
        {state.status === 'loading' && open && <Loading />}
        {state.status === 'failed' && <Failure text={state.problem} onRetry={() => void chats.refresh()} />}
        {chat && <ThreadPane key={chat.id} chat={chat} />}
        {state.status === 'ready' && !chat && (
          <div className={styles.nothing}>
            <ChatIcon size={32} strokeWidth={1.5} aria-hidden />
            <p>{t(open ? 'chat.gone' : 'chat.choose')}</p>
          </div>
        )}
      </div>
    </main>
  );
}
