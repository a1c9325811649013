import { useStore } from '@nanostores/react';
import type { ReactNode } from 'react';
import type { Text } from '../../i18n/i18n';
import { useI18n } from '../../i18n/react';
import { Button, LinkButton } from '../../ui/Button';
import { Page } from '../../ui/Page';
import type { Visit } from '../visit';
import { DeviceChoices } from './DeviceChoices';
import { Frame } from './Frame';
import { PreviewPane } from './PreviewPane';
import styles from './WaitingRoom.module.css';

/** At the door. Camera and microphone can be set up meanwhile; nobody sees or hears them. */
export function WaitingRoom({ visit }: { visit: Visit }) {
  const { t } = useI18n();
  const { title } = useStore(visit.$outlook);
  return (
    <Frame>
      <Page title={t('meeting.waitingTitle')}>
        <div className={styles.waiting} role="status">
          <span className={styles.pulse} aria-hidden />
          <p>
            {title && <strong>{title}: </strong>}
            {t('meeting.waitingText')}
          </p>
        </div>
        <div className={styles.setup}>
          <PreviewPane mirror={visit.mirror} name={visit.name} />
          <DeviceChoices mirror={visit.mirror} />
          <Button onClick={() => visit.giveUp()}>{t('meeting.waitingLeave')}</Button>
        </div>
      </Page>
    </Frame>
  );
}

export function Denied({ visit }: { visit: Visit }) {
  const { t } = useI18n();
  return (
    <DeadEnd title={t('meeting.deniedTitle')} words={t('meeting.deniedText')}>
      <Button look="primary" onClick={() => visit.again()}>
        {t('meeting.askAgain')}
      </Button>
    </DeadEnd>
  );
}

/** There is no such meeting, or no longer. */
export function Nowhere({ problem }: { problem: Text }) {
  const { t, say } = useI18n();
  return <DeadEnd title={t('meeting.nowhereTitle')} words={say(problem)} />;
}

function DeadEnd({ title, words, children }: { title: string; words: string; children?: ReactNode }) {
  const { t } = useI18n();
  return (
    <Frame>
      <Page title={title} size="narrow">
        <p role="alert" className={styles.words}>
          {words}
        </p>
        <div className={styles.ways}>
          {children}
          <LinkButton href="/">{t('app.goHome')}</LinkButton>
        </div>
      </Page>
    </Frame>
  );
}
