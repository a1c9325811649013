import { useStore } from '@nanostores/react';
import { useEffect } from 'react';
import { useI18n } from '../../i18n/react';
import { Button, LinkButton } from '../../ui/Button';
import { Failure } from '../../ui/Failure';
import { Page } from '../../ui/Page';
import { submitting } from '../../ui/submitting';
import { TextField } from '../../ui/TextField';
import type { Outlook, Visit } from '../visit';
import { DeviceChoices } from './DeviceChoices';
import { Frame } from './Frame';
import styles from './Lobby.module.css';
import { PreviewPane } from './PreviewPane';

/** Before joining: how one looks and sounds, who is inside, and one press to go in. */
export function Lobby({ visit }: { visit: Visit }) {
  const { t } = useI18n();
  const outlook = useStore(visit.$outlook);
  useEffect(() => void visit.prepare(), [visit]);
  return (
    <Frame>
      <Page
        title={outlook.title ?? t('meeting.title')}
        heading={outlook.title ?? t('meeting.ready')}
        size="wide"
      >
        <div className={styles.columns}>
          <section className={styles.seen} aria-label={t('meeting.preview')}>
            <PreviewPane mirror={visit.mirror} name={visit.name} />
          </section>
          <section className={styles.in}>
            <Inside outlook={outlook} />
            <JoinForm visit={visit} outlook={outlook} />
          </section>
          <section className={styles.devices} aria-label={t('meeting.devices')}>
            <DeviceChoices mirror={visit.mirror} />
          </section>
        </div>
      </Page>
    </Frame>
  );
}

function Inside({ outlook }: { outlook: Outlook }) {
  const { t, list } = useI18n();
  const { names, inside } = outlook;
  return (
    <p className={styles.inside} aria-live="polite">
      {names.length > 0
        ? t('meeting.insideNames', { names: list(names.slice(0, 6)) })
        : inside === null
          ? ''
          : inside === 0
            ? t('meeting.nobodyInside')
            : t('meeting.insideCount', { count: inside })}
    </p>
  );
}

function JoinForm({ visit, outlook }: { visit: Visit; outlook: Outlook }) {
  const { t, say } = useI18n();
  const name = useStore(visit.$name);
  const passcode = useStore(visit.$passcode);
  const nameProblem = useStore(visit.$nameProblem);
  const passcodeProblem = useStore(visit.$passcodeProblem);
  return (
    <form className={styles.form} onSubmit={submitting(() => visit.join())} noValidate>
      {visit.isGuest ? (
        <TextField
          label={t('meeting.yourName')}
          autoComplete="name"
          maxLength={100}
          value={name}
          onChange={(name) => visit.$name.set(name)}
          problem={nameProblem ? say(nameProblem) : undefined}
        />
      ) : (
        <p className={styles.muted}>{t('meeting.joinAs', { name: visit.name })}</p>
      )}
      {useStore(visit.$asksPasscode) && (
        <TextField
          label={t('meeting.passcode')}
          autoComplete="one-time-code"
          dir="ltr"
          value={passcode}
          onChange={(passcode) => visit.$passcode.set(passcode)}
          problem={passcodeProblem ? say(passcodeProblem) : undefined}
        />
      )}
      <Failure text={useStore(visit.$problem)} />
      <Button type="submit" look="primary" wide busy={useStore(visit.$busy)} className={styles.join}>
        {outlook.waitingRoom ? t('meeting.askToJoin') : t('meeting.joinNow')}
      </Button>
      {outlook.waitingRoom && <p className={styles.muted}>{t('meeting.askToJoinHint')}</p>}
      {visit.isGuest && (
        <LinkButton look="quiet" wide href={`/login?next=${encodeURIComponent(`/meeting/${visit.code}`)}`}>
          {t('meeting.haveAccount')}
        </LinkButton>
      )}
    </form>
  );
}
