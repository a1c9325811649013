import { useStore } from '@nanostores/react';
import { type RefObject, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import { useServices } from '../app/services';
import { useI18n } from '../i18n/react';
import { Button } from '../ui/Button';
import { DownIcon } from '../ui/icons';
import { MessageGroup } from './MessageGroup';
import styles from './MessageList.module.css';
import { dayName } from './name';
import { RichText } from './RichText';
import { type Row, rows } from './rows';
import { ScrollKeeper } from './scroll';
import type { Thread } from './thread';

/** Older messages are read when so little of them is left above, in pixels. */
const AHEAD = 800;

/** What was said, the newest at the end. It stays in place while history comes in above. */
export function MessageList({ thread }: { thread: Thread }) {
  const i18n = useI18n();
  const { t } = i18n;
  const { session } = useServices();
  const entries = useStore(thread.timeline.entries);
  const answer = useStore(thread.$answer);
  const older = useStore(thread.$older);
  const me = useMemo(
    () => ({ id: session.profile?.id ?? null, name: session.profile?.display_name ?? '' }),
    [session],
  );
  const list = useMemo(
    () => rows(entries, me, thread.firstUnread, (date) => date.toDateString()),
    [entries, me, thread],
  );
  const { box, inner, atEnd, toEnd } = useScroll(thread, list, answer?.text, older);
  return (
    <div className={styles.frame}>
      <div
        ref={box}
        className={styles.box}
        role="log"
        aria-live="off"
        aria-label={t('chat.messages')}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be scrolled by keyboard too
        tabIndex={0}
      >
        <div ref={inner} className={styles.inner}>
          <Beginning thread={thread} />
          {list.map((row) => (
            <RowView key={row.key} row={row} thread={thread} />
          ))}
          {answer && answer.text !== '' && (
            <div className={styles.answer} data-key="answer">
              <RichText text={answer.text} />
            </div>
          )}
        </div>
      </div>
      {!atEnd && (
        <Button icon className={styles.down} aria-label={t('chat.newest')} onClick={toEnd}>
          <DownIcon aria-hidden />
        </Button>
      )}
    </div>
  );
}

function RowView({ row, thread }: { row: Row; thread: Thread }) {
  const i18n = useI18n();
  if (row.kind === 'day') {
    return (
      <p className={styles.day}>
        <time dateTime={row.day.toISOString()}>{dayName(row.day, i18n)}</time>
      </p>
    );
  }
  if (row.kind === 'new') {
    return (
      <p className={styles.new} data-new>
        {i18n.t('chat.newMark')}
      </p>
    );
  }
  return <MessageGroup group={row} thread={thread} />;
}

function Beginning({ thread }: { thread: Thread }) {
  const { t } = useI18n();
  const older = useStore(thread.$older);
  const empty = useStore(thread.timeline.entries).length === 0;
  if (older === 'nothing') {
    return <p className={styles.beginning}>{t(empty ? 'chat.empty' : 'chat.beginning')}</p>;
  }
  return (
    <div className={styles.beginning}>
      {older === 'failed' && <p>{t('chat.olderFailed')}</p>}
      <Button look="quiet" busy={older === 'loading'} onClick={() => void thread.loadOlder()}>
        {t('chat.older')}
      </Button>
    </div>
  );
}

interface Scroll {
  box: RefObject<HTMLDivElement | null>;
  inner: RefObject<HTMLDivElement | null>;
  atEnd: boolean;
  toEnd: () => void;
}

/** The list's place: kept while it changes, told to the thread when its end is seen. */
function useScroll(thread: Thread, ...[list, answer, older]: readonly unknown[]): Scroll {
  const box = useRef<HTMLDivElement>(null);
  const inner = useRef<HTMLDivElement>(null);
  const keeper = useRef<ScrollKeeper | null>(null);
  const [atEnd, setAtEnd] = useState(true);

  useLayoutEffect(() => {
    if (!box.current || !inner.current) return;
    const keep = new ScrollKeeper(box.current);
    keeper.current = keep;
    const look = () => {
      setAtEnd(keep.atEnd);
      if (keep.atEnd && document.visibilityState === 'visible') thread.seen();
      if (keep.above < AHEAD && thread.$older.get() === 'more') void thread.loadOlder();
    };
    const scrolled = () => {
      keep.note();
      look();
    };
    const sized = new ResizeObserver(() => keep.restore());
    sized.observe(box.current);
    sized.observe(inner.current);
    const mark = inner.current.querySelector('[data-new]');
    if (mark) keep.begin(mark);
    else keep.toEnd();
    look();
    const element = box.current;
    element.addEventListener('scroll', scrolled, { passive: true });
    document.addEventListener('visibilitychange', look);
    return () => {
      sized.disconnect();
      element.removeEventListener('scroll', scrolled);
      document.removeEventListener('visibilitychange', look);
    };
  }, [thread]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: these are what changes the list
  useLayoutEffect(() => {
    keeper.current?.restore();
  }, [list, answer, older]);

  useEffect(
    () =>
      thread.timeline.entries.listen((entries, before) => {
        const keep = keeper.current;
        // What one says oneself is meant to be seen.
        const said = entries.at(-1)?.state === 'sending' && before?.at(-1)?.key !== entries.at(-1)?.key;
        if (said) queueMicrotask(() => keep?.toEnd());
        if ((keep?.atEnd ?? false) && document.visibilityState === 'visible') thread.seen();
      }),
    [thread],
  );

  const toEnd = () => {
    keeper.current?.toEnd();
    box.current?.focus({ preventScroll: true });
  };
  return { box, inner, atEnd, toEnd };
}
