import { useStore } from '@nanostores/react';
import { useEffect, useRef } from 'react';
import { useI18n } from '../../i18n/react';
import { BeforeIcon, LinkIcon, NextIcon } from '../../ui/icons';
import type { Call } from './call';
import { ReactionsView } from './ReactionsView';
import styles from './StageView.module.css';
import { Tile } from './Tile';
import { useCopyLink } from './TopBar';

/** The people, where the stage model puts them. */
export function StageView({ call }: { call: Call }) {
  const { t } = useI18n();
  const { tiles, page, pages } = useStore(call.stage.$scene);
  const people = useStore(call.$people);
  const pinned = useStore(call.stage.$pinned);
  const known = new Map(people.map((person) => [person.identity, person]));
  const canPin = people.length > 1;
  return (
    <section className={styles.stage} aria-label={t('meeting.stage')}>
      <Measure call={call}>
        <ul className={styles.tiles}>
          {tiles.map((scene) => {
            const person = known.get(scene.tile.identity);
            const isPinned = pinned?.identity === scene.tile.identity && pinned.source === scene.tile.source;
            return (
              person && (
                <Tile
                  key={scene.key}
                  person={person}
                  scene={scene}
                  pinned={isPinned}
                  onPin={canPin ? call.stage.pinThis : null}
                />
              )
            );
          })}
        </ul>
        {people.length === 1 && <Alone call={call} />}
        <ReactionsView call={call} />
      </Measure>
      {pages > 1 && (
        <div className={styles.pages}>
          <button
            type="button"
            aria-label={t('meeting.previousPage')}
            disabled={page === 0}
            onClick={() => call.stage.turn(-1)}
          >
            <BeforeIcon aria-hidden />
          </button>
          <span role="status">{t('meeting.pageOf', { page: page + 1, pages })}</span>
          <button
            type="button"
            aria-label={t('meeting.nextPage')}
            disabled={page === pages - 1}
            onClick={() => call.stage.turn(1)}
          >
            <NextIcon aria-hidden />
          </button>
        </div>
      )}
    </section>
  );
}

/** Tells the stage its size. */
function Measure({ call, children }: { call: Call; children: React.ReactNode }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const observer = new ResizeObserver(([entry]) => {
      const { width = 0, height = 0 } = entry?.contentRect ?? {};
      call.stage.resize({ width: Math.floor(width), height: Math.floor(height) });
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [call]);
  return (
    <div ref={box} className={styles.box}>
      {children}
    </div>
  );
}

function Alone({ call }: { call: Call }) {
  const { t } = useI18n();
  const copy = useCopyLink(call);
  return (
    <div className={styles.alone}>
      <p>{t('meeting.alone')}</p>
      <p className={styles.address} dir="ltr">
        {new URL(`/meeting/${call.ticket.code}`, location.href).href}
      </p>
      <button type="button" onClick={() => void copy()}>
        <LinkIcon size={18} aria-hidden />
        {t('meeting.copyInvitation')}
      </button>
    </div>
  );
}
