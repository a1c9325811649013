import { useStore } from '@nanostores/react';
import { type KeyboardEvent, useId, useLayoutEffect, useRef } from 'react';
import { RichText } from '../../chat/RichText';
import { ScrollKeeper } from '../../chat/scroll';
import { useI18n } from '../../i18n/react';
import type { Entry } from '../../timeline/timeline';
import { Button } from '../../ui/Button';
import { Failure } from '../../ui/Failure';
import { LockIcon, SendIcon } from '../../ui/icons';
import { composes } from '../../ui/keys';
import { Loading } from '../../ui/Loading';
import styles from './ChatPanel.module.css';
import type { Call } from './call';
import type { Draft, Line, MeetingChat } from './chat';
import { PanelFrame } from './PanelFrame';
import type { Writing } from './writing';

/** The meeting's chat. */
export function ChatPanel({ call }: { call: Call }) {
  const { t } = useI18n();
  const field = useRef<HTMLTextAreaElement>(null);
  return (
    <PanelFrame title={t('meeting.chat')} onClose={() => call.setPanel(null)} focus={field}>
      <Messages chat={call.chat} />
      <Writers chat={call.chat} />
      <Composer call={call} field={field} />
    </PanelFrame>
  );
}

function Messages({ chat }: { chat: MeetingChat }) {
  const { t } = useI18n();
  const entries = useStore(chat.timeline.entries);
  const history = useStore(chat.$history);
  const { list, note } = useKeptScroll(entries);
  return (
    <div
      ref={list}
      className={styles.list}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it
      tabIndex={0}
      onScroll={note}
      role="log"
      aria-live="off"
      aria-label={t('meeting.chat')}
    >
      {history.status === 'loading' && entries.length === 0 && <Loading />}
      {history.status === 'failed' && <Failure text={history.problem} onRetry={() => void chat.load()} />}
      {history.status === 'ready' && history.more && (
        <Button look="quiet" wide onClick={() => void chat.load()}>
          {t('meeting.earlier')}
        </Button>
      )}
      {history.status === 'ready' && entries.length === 0 && (
        <p className={styles.empty}>{t('meeting.noMessages')}</p>
      )}
      {entries.map((entry, index) => (
        <Message key={entry.key} chat={chat} entry={entry} before={entries[index - 1]} />
      ))}
    </div>
  );
}

/** What one reads stays where it is: at the end new messages take one along, older ones come in above unseen. */
function useKeptScroll(entries: unknown) {
  const list = useRef<HTMLDivElement>(null);
  const keeper = useRef<ScrollKeeper>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: it is about what the list shows
  useLayoutEffect(() => {
    if (!list.current) return;
    keeper.current ??= new ScrollKeeper(list.current);
    keeper.current.restore();
  }, [entries]);
  return { list, note: () => keeper.current?.note() };
}

type ChatEntry = Entry<Line, Draft>;

/** Messages of one person within this time are one block, in milliseconds. */
const BLOCK = 5 * 60_000;

function Message({
  chat,
  entry,
  before,
}: {
  chat: MeetingChat;
  entry: ChatEntry;
  before: ChatEntry | undefined;
}) {
  const { t, time } = useI18n();
  const { author, mine, content, at, to } = shownOf(entry);
  const last = before && shownOf(before);
  const goesOn =
    last?.author === author &&
    last.mine === mine &&
    last.to === to &&
    (!at || !last.at || +at - +last.at < BLOCK);
  return (
    <article
      data-key={entry.key}
      className={styles.message}
      data-mine={mine || undefined}
      data-goes-on={goesOn || undefined}
    >
      {!goesOn && (
        <header className={styles.author}>
          <bdi>{mine ? t('meeting.youWrote') : author}</bdi>
          {at && <time dateTime={at.toISOString()}>{time(at)}</time>}
          {to !== null && (
            <span className={styles.private}>
              <LockIcon size={12} aria-hidden />
              {mine && to ? t('meeting.privateTo', { name: to }) : t('meeting.private')}
            </span>
          )}
        </header>
      )}
      <div className={styles.words} data-pending={entry.state === 'sending' || undefined}>
        <RichText text={content} />
      </div>
      {entry.state === 'failed' && (
        <p className={styles.failed} role="alert">
          {t('meeting.notSent')}
          <button type="button" onClick={() => chat.retry(entry.key)}>
            {t('app.retry')}
          </button>
          <button type="button" onClick={() => chat.timeline.discard(entry.key)}>
            {t('meeting.discard')}
          </button>
        </p>
      )}
    </article>
  );
}

function shownOf(entry: ChatEntry) {
  if (entry.state !== 'stored') {
    return {
      author: '',
      mine: true,
      content: entry.draft.content,
      at: null,
      to: entry.draft.to?.name ?? null,
    };
  }
  const { author, mine, content, at, privateTo } = entry.message;
  return { author: mine ? '' : author, mine, content, at, to: privateTo };
}

function Writers({ chat }: { chat: MeetingChat }) {
  const { t, list } = useI18n();
  const writers = useStore(chat.$writers);
  return (
    <p className={styles.writers}>
      {writers.length > 0 && t('meeting.typing', { names: list(writers.slice(0, 3)) })}
    </p>
  );
}

function Composer({ call, field }: { call: Call; field: React.RefObject<HTMLTextAreaElement | null> }) {
  const { t } = useI18n();
  const { writing } = call;
  const problem = useId();
  const words = useStore(writing.$words);
  const to = useStore(writing.$to);
  const send = () => writing.send();
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Enter' || event.shiftKey || composes(event)) return;
    event.preventDefault();
    send();
  };
  return (
    <form className={styles.composer} action={send}>
      <To writing={writing} />
      <div className={styles.field} data-private={to !== null || undefined}>
        <textarea
          ref={field}
          rows={1}
          maxLength={10_000}
          value={words}
          aria-label={t('meeting.message')}
          aria-describedby={problem}
          placeholder={t('meeting.message')}
          onChange={(event) => writing.write(event.target.value)}
          onKeyDown={onKeyDown}
        />
        <Button
          type="submit"
          look="quiet"
          icon
          aria-label={t('meeting.send')}
          disabled={!words.trim() || to?.gone}
        >
          <SendIcon aria-hidden />
        </Button>
      </div>
      <p id={problem} className={styles.gone} role="alert">
        {to?.gone && t('meeting.goneText', { name: to.name })}
      </p>
    </form>
  );
}

function To({ writing }: { writing: Writing }) {
  const { t } = useI18n();
  const to = useStore(writing.$to);
  const recipients = useStore(writing.$recipients);
  return (
    <label className={styles.to}>
      <span>{t('meeting.to')}</span>
      <select value={to?.id ?? ''} onChange={(event) => writing.address(event.target.value)}>
        <option value="">{t('meeting.everyone')}</option>
        {to?.gone && <option value={to.id}>{t('meeting.gone', { name: to.name })}</option>}
        {recipients.map(({ id, name }) => (
          <option key={id} value={id}>
            {name}
          </option>
        ))}
      </select>
      {to && <LockIcon size={14} aria-hidden />}
    </label>
  );
}
