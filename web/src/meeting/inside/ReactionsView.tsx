import { useStore } from '@nanostores/react';
import type { Call } from './call';
import styles from './ReactionsView.module.css';

/** What people show for a moment, rising over the stage. */
export function ReactionsView({ call }: { call: Call }) {
  const shown = useStore(call.reactions.$shown);
  return (
    <div className={styles.sky} aria-hidden>
      {shown.map(({ key, emoji, name, lane }) => (
        <div key={key} className={styles.reaction} style={{ insetInlineStart: `${8 + lane * 76}%` }}>
          <span className={styles.emoji}>{emoji}</span>
          <span className={styles.name}>{name}</span>
        </div>
      ))}
    </div>
  );
}
