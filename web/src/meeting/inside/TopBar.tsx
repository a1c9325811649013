import { useStore } from '@nanostores/react';
import { useEffect, useState } from 'react';
import { useServices } from '../../app/services';
import { useI18n } from '../../i18n/react';
import { copyWords } from '../../ui/clipboard';
import { LinkIcon, LockIcon } from '../../ui/icons';
import type { Call } from './call';
import { clock } from './clock';
import styles from './TopBar.module.css';

/** What the meeting is called, how long it has gone on, and the link to it. */
export function TopBar({ call, title }: { call: Call; title: string }) {
  const { t } = useI18n();
  const locked = useStore(call.hosting.$locked);
  const copy = useCopyLink(call);
  return (
    <header className={styles.bar}>
      <h1 className={styles.title}>{title}</h1>
      {locked && (
        <span className={styles.locked}>
          <LockIcon size={14} aria-hidden />
          {t('meeting.locked')}
        </span>
      )}
      <Clock since={call.since} />
      <button type="button" className={styles.link} onClick={() => void copy()}>
        <LinkIcon size={16} aria-hidden />
        <span>{t('meeting.copyInvitation')}</span>
      </button>
    </header>
  );
}

/** Copies the address that lets others in. */
export function useCopyLink(call: Call): () => Promise<void> {
  const { notices } = useServices();
  return () => copyWords(new URL(`/meeting/${call.ticket.code}`, location.href).href, notices);
}

function Clock({ since }: { since: number }) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return (
    <span className={styles.clock} role="timer">
      {clock((now - since) / 1000)}
    </span>
  );
}
