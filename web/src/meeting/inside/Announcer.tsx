import { useStore } from '@nanostores/react';
import { useRef } from 'react';
import { useI18n } from '../../i18n/react';
import styles from './CallView.module.css';
import type { Call } from './call';

/** Reads out who came, went, raised a hand or wrote, for those who do not see it. */
export function Announcer({ call }: { call: Call }) {
  const { say } = useI18n();
  const said = useStore(call.$said);
  // A new element each time: the same words twice are read twice.
  const count = useRef({ said, number: 0 });
  if (count.current.said !== said) count.current = { said, number: count.current.number + 1 };
  return (
    <div className={styles.hidden} role="status" aria-live="polite">
      {said && <p key={count.current.number}>{say(said)}</p>}
    </div>
  );
}
