import { useStore } from '@nanostores/react';
import type { ReactNode } from 'react';
import { useI18n } from '../../i18n/react';
import { OfflineIcon, ShareIcon, SoundIcon, WaitingIcon } from '../../ui/icons';
import { useKeptFocus } from '../../ui/useKeptFocus';
import styles from './Banners.module.css';
import type { Call } from './call';

/** What must be seen now: a lost connection, somebody at the door, silence, one's own screen. */
export function Banners({ call }: { call: Call }) {
  return (
    <>
      <ConnectionBanner call={call} />
      <DoorBanner call={call} />
      <SilenceBanner call={call} />
      <SharingBanner call={call} />
    </>
  );
}

function ConnectionBanner({ call }: { call: Call }) {
  const { t } = useI18n();
  const connection = useStore(call.$connection);
  return (
    <div role="status">
      {connection !== 'ok' && (
        <Banner icon={<OfflineIcon aria-hidden />} warn={connection === 'reconnecting'}>
          {connection === 'reconnecting' ? t('meeting.reconnecting') : t('meeting.connecting')}
        </Banner>
      )}
    </div>
  );
}

function DoorBanner({ call }: { call: Call }) {
  const { t } = useI18n();
  const waiting = useStore(call.members.$waiting);
  const hosts = useStore(call.$hosts);
  const panel = useStore(call.$panel);
  const [first] = waiting;
  const shown = hosts && first && panel !== 'people';
  return (
    <div role="status" ref={useKeptFocus('#main')}>
      {shown && waiting.length === 1 && (
        <Banner icon={<WaitingIcon aria-hidden />}>
          {t('meeting.atTheDoor', { name: first.display_name })}
          <button type="button" onClick={() => void call.hosting.deny(first)}>
            {t('meeting.deny')}
          </button>
          <button type="button" data-main onClick={() => void call.hosting.admit(first)}>
            {t('meeting.admit')}
          </button>
        </Banner>
      )}
      {shown && waiting.length > 1 && (
        <Banner icon={<WaitingIcon aria-hidden />}>
          {t('meeting.manyAtTheDoor', { count: waiting.length })}
          <button type="button" onClick={() => call.setPanel('people')}>
            {t('meeting.see')}
          </button>
          <button type="button" data-main onClick={() => void call.hosting.admitAll()}>
            {t('meeting.admitAll')}
          </button>
        </Banner>
      )}
    </div>
  );
}

function SilenceBanner({ call }: { call: Call }) {
  const { t } = useI18n();
  const silent = useStore(call.media.$silent);
  return (
    silent && (
      <Banner icon={<SoundIcon aria-hidden />}>
        {t('meeting.silent')}
        <button type="button" data-main onClick={() => call.media.startAudio()}>
          {t('meeting.startSound')}
        </button>
      </Banner>
    )
  );
}

function SharingBanner({ call }: { call: Call }) {
  const { t } = useI18n();
  const sharing = useStore(call.$me)?.screen.on;
  return (
    <div role="status">
      {sharing && (
        <Banner icon={<ShareIcon aria-hidden />}>
          {t('meeting.youShare')}
          <button type="button" data-main onClick={() => call.toggleScreen()}>
            {t('meeting.stopShareLabel')}
          </button>
        </Banner>
      )}
    </div>
  );
}

function Banner({ icon, warn, children }: { icon: ReactNode; warn?: boolean; children: ReactNode }) {
  return (
    <div className={styles.banner} data-warn={warn || undefined}>
      {icon}
      {children}
    </div>
  );
}
