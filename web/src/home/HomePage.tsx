import { useStore } from '@nanostores/react';
import { Link } from 'wouter';
import { navigate } from 'wouter/use-browser-location';
import { useModel, useServices } from '../app/services';
import { ChatLink } from '../chat/ChatList';
import { useChats } from '../chat/useChats';
import { useI18n } from '../i18n/react';
import { Failure } from '../ui/Failure';
import { CalendarIcon, MeetingIcon, ScheduleIcon } from '../ui/icons';
import { Loading } from '../ui/Loading';
import { Page } from '../ui/Page';
import { Agenda, type AgendaGroup } from './agenda';
import styles from './HomePage.module.css';
import { JoinByCode } from './JoinByCode';
import { MeetingItem } from './MeetingItem';

/** So many chats are shown beside the agenda. */
const CHATS = 5;

export default function HomePage() {
  const { t, day, locale } = useI18n();
  const { session } = useServices();
  const agenda = useModel((services) => new Agenda(services));
  const now = new Date();
  const name = session.profile?.first_name ?? '';
  const greeting =
    now.getHours() < 12 ? 'home.morning' : now.getHours() < 18 ? 'home.afternoon' : 'home.evening';
  const start = async () => {
    const code = await agenda.startNow(
      t('home.instantTitle', { name: session.profile?.display_name ?? name }),
    );
    if (code) navigate(`/meeting/${code}`);
  };
  return (
    <Page
      title={t('home.title')}
      heading={t(greeting, { name })}
      aside={
        <p className={styles.date} lang={locale}>
          {day(now)}
        </p>
      }
      size="wide"
    >
      <div className={styles.columns}>
        <div className={styles.side}>
          <div className={styles.actions}>
            <button type="button" className={`${styles.action} ${styles.first}`} onClick={() => void start()}>
              <MeetingIcon aria-hidden />
              <strong>{t('home.startNow')}</strong>
              <span>{t('home.startNowText')}</span>
            </button>
            <Link href="/schedule" className={styles.action}>
              <ScheduleIcon aria-hidden />
              <strong>{t('home.schedule')}</strong>
              <span>{t('home.scheduleText')}</span>
            </Link>
          </div>
          <JoinByCode />
        </div>
        <section className={styles.agenda} aria-label={t('home.meetings')}>
          <AgendaList agenda={agenda} />
        </section>
        <RecentChats />
      </div>
    </Page>
  );
}

function AgendaList({ agenda }: { agenda: Agenda }) {
  const { t } = useI18n();
  const state = useStore(agenda.$state);
  if (state.status === 'loading') return <Loading />;
  if (state.status === 'failed')
    return <Failure text={state.problem} onRetry={() => void agenda.refresh()} />;
  if (state.groups.length > 0) {
    return state.groups.map((group) => <Group key={group.key} group={group} agenda={agenda} />);
  }
  return (
    <div className={styles.empty}>
      <CalendarIcon size={32} strokeWidth={1.5} aria-hidden />
      <h2>{t('home.nothingTitle')}</h2>
      <p>{t('home.nothingText')}</p>
    </div>
  );
}

function Group({ group, agenda }: { group: AgendaGroup; agenda: Agenda }) {
  const { t, day } = useI18n();
  const names = {
    now: t('home.running'),
    today: t('home.today'),
    tomorrow: t('home.tomorrow'),
    any: t('home.anyTime'),
    day: day(group.day),
  };
  return (
    <section className={styles.group}>
      <h2>{names[group.when]}</h2>
      <ul className={styles.list}>
        {group.meetings.map((meeting) => (
          <MeetingItem key={meeting.id} meeting={meeting} agenda={agenda} />
        ))}
      </ul>
    </section>
  );
}

/** The chats that something happened in last. */
function RecentChats() {
  const { t } = useI18n();
  const state = useStore(useChats().$state);
  const chats = state.status === 'ready' ? state.chats.slice(0, CHATS) : [];
  if (chats.length === 0) return null;
  return (
    <section className={styles.chats}>
      <header>
        <h2>{t('chat.chats')}</h2>
        <Link href="/chat">{t('home.allChats')}</Link>
      </header>
      <ul className={styles.list}>
        {chats.map((chat) => (
          <ChatLink key={chat.id} chat={chat} />
        ))}
      </ul>
    </section>
  );
}
