import { memo } from 'react';
import { useI18n } from '../i18n/react';
import { Avatar } from '../ui/Avatar';
import { Button } from '../ui/Button';
import { WaitIcon, WarningIcon } from '../ui/icons';
import styles from './MessageGroup.module.css';
import type { Draft } from './message';
import { RichText } from './RichText';
import { isEmoji } from './rich';
import type { ChatEntry, Row } from './rows';
import type { Thread } from './thread';

type Group = Extract<Row, { kind: 'group' }>;

/** What one person said in one go. */
export function MessageGroup({ group, thread }: { group: Group; thread: Thread }) {
  const { t, time } = useI18n();
  return (
    <div className={styles.group} data-mine={group.mine || undefined}>
      {!group.mine && <Avatar name={group.author.name} size={32} />}
      <div className={styles.words}>
        <p className={styles.head}>
          <bdi className={group.mine ? styles.unseen : styles.author}>
            {group.mine ? t('chat.you') : group.author.name}
          </bdi>
          <time dateTime={group.at.toISOString()}>{time(group.at)}</time>
        </p>
        {group.entries.map((entry) => (
          <Message key={entry.key} entry={entry} thread={thread} />
        ))}
      </div>
    </div>
  );
}

const Message = memo(
  function Message({ entry, thread }: { entry: ChatEntry; thread: Thread }) {
    const text = entry.state === 'stored' ? entry.message.text : entry.draft.text;
    return (
      <div className={styles.message} data-key={entry.key} data-state={entry.state}>
        <div className={styles.bubble} data-emoji={isEmoji(text) || undefined}>
          <RichText text={text} />
        </div>
        {entry.state === 'sending' && <Sending />}
        {entry.state === 'failed' && <Failed draft={entry.draft} id={entry.key} thread={thread} />}
      </div>
    );
  },
  (a, b) =>
    a.thread === b.thread &&
    a.entry.state === b.entry.state &&
    (a.entry.state !== 'stored' || b.entry.state !== 'stored' || a.entry.message === b.entry.message),
);

function Sending() {
  const { t } = useI18n();
  return (
    <p className={styles.state}>
      <WaitIcon size={12} aria-hidden />
      <span>{t('chat.sending')}</span>
    </p>
  );
}

function Failed({ draft, id, thread }: { draft: Draft; id: string; thread: Thread }) {
  const { t, say } = useI18n();
  const why = draft.problem ? say(draft.problem) : '';
  return (
    <div className={styles.failed} role="alert">
      <p>
        <WarningIcon size={14} aria-hidden />
        {draft.waits ? t('chat.waits') : t('chat.notSent', { why })}
      </p>
      <Button look="quiet" className={styles.act} onClick={() => thread.retry(id)}>
        {t('chat.again')}
      </Button>
      <Button look="quiet" className={styles.act} onClick={() => thread.discard(id)}>
        {t('chat.discard')}
      </Button>
    </div>
  );
}
