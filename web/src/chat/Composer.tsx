import { useStore } from '@nanostores/react';
import { type KeyboardEvent, useEffect, useId, useLayoutEffect, useRef, useState } from 'react';
import { useI18n } from '../i18n/react';
import { Button } from '../ui/Button';
import { SendIcon, StopIcon } from '../ui/icons';
import { composes } from '../ui/keys';
import styles from './Composer.module.css';
import { EmojiMenu } from './EmojiMenu';
import type { Thread } from './thread';
import { useChats } from './useChats';

/** The server takes no longer message, in characters. */
const LONGEST = 10_000;

/** The field in which a message is written, and the button that sends it. */
export function Composer({ thread, name }: { thread: Thread; name: string }) {
  const { t } = useI18n();
  const id = useId();
  const chats = useChats();
  const field = useRef<HTMLTextAreaElement>(null);
  const [words, setWords] = useState(() => chats.drafts.of(thread.id));
  const tooMany = [...words.trim()].length - LONGEST;
  const change = (text: string) => {
    setWords(text);
    thread.typed(text);
  };
  const send = () => {
    if (tooMany > 0 || words.trim() === '') return;
    thread.send(words);
    setWords('');
    field.current?.focus();
  };
  const insert = (text: string) => {
    const { selectionStart: start = words.length, selectionEnd: end = words.length } = field.current ?? {};
    change(words.slice(0, start) + text + words.slice(end));
  };
  useGrowing(field, words);
  useEffect(() => {
    // Where there is a keyboard; on a phone it would cover half of what was said.
    if (matchMedia('(pointer: fine)').matches) field.current?.focus();
  }, []);
  return (
    <form
      className={styles.composer}
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <div className={styles.box} data-problem={tooMany > 0 || undefined}>
        <textarea
          ref={field}
          className={styles.field}
          aria-label={t('chat.writeTo', { name })}
          aria-describedby={`${id}-keys ${id}-problem`}
          placeholder={t('chat.writeTo', { name })}
          dir={words ? 'auto' : undefined}
          rows={1}
          enterKeyHint="send"
          value={words}
          onChange={(event) => change(event.target.value)}
          onKeyDown={(event) => {
            if (!sends(event)) return;
            event.preventDefault();
            send();
          }}
        />
        <EmojiMenu onChoose={insert} field={field} />
        <Action thread={thread} ready={words.trim() !== '' && tooMany <= 0} />
      </div>
      <p id={`${id}-keys`} className={styles.unseen}>
        {t('chat.keys')}
      </p>
      <p id={`${id}-problem`} className={styles.problem} aria-live="polite">
        {tooMany > 0 && t('chat.tooLong', { count: tooMany })}
      </p>
    </form>
  );
}

/** Sends; while the agent answers and there is nothing to send, stops it. */
function Action({ thread, ready }: { thread: Thread; ready: boolean }) {
  const { t } = useI18n();
  const answering = useStore(thread.$answer) !== null;
  if (answering && !ready) {
    return (
      <Button look="plain" icon aria-label={t('chat.stop')} onClick={() => void thread.cancel()}>
        <StopIcon aria-hidden />
      </Button>
    );
  }
  return (
    <Button
      type="submit"
      look={ready ? 'primary' : 'quiet'}
      icon
      className={styles.send}
      aria-label={t('chat.send')}
    >
      <SendIcon aria-hidden />
    </Button>
  );
}

/** Enter sends, but not while an input method composes a word, and not on a phone, where it is the way to a new line. */
function sends(event: KeyboardEvent): boolean {
  if (event.key !== 'Enter' || event.shiftKey || composes(event)) return false;
  return matchMedia('(pointer: fine)').matches || event.ctrlKey || event.metaKey;
}

/** The field is as high as what is in it; the style sheet says how high at most. */
function useGrowing(field: { current: HTMLTextAreaElement | null }, words: string): void {
  // biome-ignore lint/correctness/useExhaustiveDependencies: the words are what changes the height
  useLayoutEffect(() => {
    const { current: element } = field;
    if (!element) return;
    element.style.blockSize = 'auto';
    element.style.blockSize = `${element.scrollHeight}px`;
  }, [words]);
}
