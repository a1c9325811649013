import { useServices } from '../../app/services';
import { useI18n } from '../../i18n/react';
import { Button, LinkButton } from '../../ui/Button';
import { Page } from '../../ui/Page';
import { Frame } from '../before/Frame';
import type { Farewell } from '../inside/call';
import { clock } from '../inside/clock';
import type { Visit } from '../visit';
import styles from './Summary.module.css';

const MAY_REJOIN: readonly Farewell['why'][] = ['left', 'elsewhere', 'failed'];

/** After a meeting: why it is over, what it was, and where to go. */
export function Summary({ visit, farewell }: { visit: Visit; farewell: Farewell }) {
  const { t, locale } = useI18n();
  const { session } = useServices();
  const titles = {
    left: t('meeting.leftTitle'),
    ended: t('meeting.endedTitle'),
    removed: t('meeting.removedTitle'),
    elsewhere: t('meeting.elsewhereTitle'),
    loggedOut: t('meeting.loggedOutTitle'),
    failed: t('meeting.failedTitle'),
  };
  const number = new Intl.NumberFormat(locale);
  return (
    <Frame>
      <Page title={titles[farewell.why]} size="narrow">
        <dl className={styles.facts}>
          <Fact name={t('meeting.duration')} value={clock(farewell.seconds)} />
          <Fact name={t('meeting.met')} value={number.format(farewell.peopleMet)} />
          <Fact name={t('meeting.written')} value={number.format(farewell.messages)} />
        </dl>
        <div className={styles.ways}>
          {MAY_REJOIN.includes(farewell.why) && (
            <Button look="primary" wide onClick={() => visit.again()}>
              {t('meeting.rejoin')}
            </Button>
          )}
          <LinkButton wide href="/">
            {t('meeting.toStart')}
          </LinkButton>
          {session.profile === null && (
            <LinkButton wide look="quiet" href="/register">
              {t('app.signUp')}
            </LinkButton>
          )}
        </div>
      </Page>
    </Frame>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div className={styles.fact}>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
