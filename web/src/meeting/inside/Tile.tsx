import { type CSSProperties, memo, useEffect, useRef } from 'react';
import { useI18n } from '../../i18n/react';
import { Avatar } from '../../ui/Avatar';
import { HandIcon, MicOffIcon, OfflineIcon, PinIcon, PoorIcon, ShareIcon, UnpinIcon } from '../../ui/icons';
import type { TileKey } from './arrange';
import type { Picture } from './media';
import type { Person } from './people';
import type { SceneTile } from './stage';
import styles from './Tile.module.css';

interface Props {
  person: Person;
  scene: SceneTile;
  pinned: boolean;
  onPin: ((tile: TileKey) => void) | null;
}

/** One person's camera or screen, with their name and marks. */
export const Tile = memo(function Tile({ person, scene, pinned, onPin }: Props) {
  const { t } = useI18n();
  const { place, tile, kind } = scene;
  const source = person[tile.source];
  const isScreen = tile.source === 'screen';
  const name = person.isMe ? t('meeting.you', { name: person.name }) : person.name;
  const label = isScreen
    ? person.isMe
      ? t('meeting.yourScreen')
      : t('meeting.screenOf', { name: person.name })
    : name;
  const style: CSSProperties = {
    insetInlineStart: place.start,
    insetBlockStart: place.top,
    inlineSize: place.width,
    blockSize: place.height,
  };
  return (
    <li
      className={styles.tile}
      style={style}
      data-kind={kind}
      data-speaking={(!isScreen && person.speaking) || undefined}
      data-screen={isScreen || undefined}
      data-person={person.name}
    >
      {/* Under the picture too: it shows until the first frame is there. */}
      {!isScreen && <Face name={person.name} size={Math.round(Math.min(place.width, place.height) * 0.36)} />}
      {source.picture && <Video picture={source.picture} whole={isScreen} />}
      <div className={styles.foot}>
        <span className={styles.name}>
          {isScreen ? (
            <ShareIcon aria-hidden />
          ) : (
            !person.microphone && <Mark icon={MicOffIcon} label={t('meeting.muted')} />
          )}
          <bdi>{label}</bdi>
        </span>
        {!isScreen && person.quality === 'poor' && <Mark icon={PoorIcon} label={t('meeting.weak')} warn />}
        {!isScreen && person.quality === 'lost' && <Mark icon={OfflineIcon} label={t('meeting.lost')} warn />}
      </div>
      {!isScreen && person.hand !== null && (
        <span className={styles.hand}>
          <HandIcon aria-hidden />
          <span className={styles.place} aria-hidden>
            {person.hand}
          </span>
          <span className={styles.hidden}>{t('meeting.handPlace', { place: person.hand })}</span>
        </span>
      )}
      {onPin && (
        <button
          type="button"
          className={styles.pin}
          aria-pressed={pinned}
          aria-label={pinned ? t('meeting.unpin', { name: label }) : t('meeting.pin', { name: label })}
          title={pinned ? t('meeting.unpin', { name: label }) : t('meeting.pin', { name: label })}
          onClick={() => onPin(tile)}
        >
          {pinned ? <UnpinIcon aria-hidden /> : <PinIcon aria-hidden />}
        </button>
      )}
    </li>
  );
});

function Mark({ icon: Icon, label, warn }: { icon: typeof HandIcon; label: string; warn?: boolean }) {
  return (
    <span className={styles.mark} data-warn={warn || undefined} title={label}>
      <Icon aria-hidden />
      <span className={styles.hidden}>{label}</span>
    </span>
  );
}

function Face({ name, size }: { name: string; size: number }) {
  return (
    <div className={styles.face}>
      <Avatar name={name} size={Math.min(160, Math.max(36, size))} />
    </div>
  );
}

function Video({ picture, whole }: { picture: Picture; whole: boolean }) {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => (video.current ? picture.attach(video.current) : undefined), [picture]);
  return (
    <video
      ref={video}
      className={styles.video}
      data-whole={whole || undefined}
      data-mirrored={picture.mirrored || undefined}
      autoPlay
      muted
      playsInline
      aria-hidden
    />
  );
}
