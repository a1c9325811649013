import type { MeetingRow } from '../api/platform';
import { useServices } from '../app/services';
import { text } from '../i18n/i18n';
import { useI18n } from '../i18n/react';
import { Button, LinkButton } from '../ui/Button';
import { DeleteIcon, LinkIcon, MoreIcon } from '../ui/icons';
import { Menu, MenuItem, MenuLine } from '../ui/Menu';
import type { Agenda } from './agenda';
import styles from './MeetingItem.module.css';

/** One meeting of the agenda: when, what, how many are inside, and the way in. */
export function MeetingItem({ meeting, agenda }: { meeting: MeetingRow; agenda: Agenda }) {
  const { t, time } = useI18n();
  const { notices } = useServices();
  const start = meeting.scheduled_start_time && new Date(meeting.scheduled_start_time);
  const end = meeting.scheduled_end_time && new Date(meeting.scheduled_end_time);
  const running = meeting.status === 'active';
  const path = `/meeting/${meeting.meeting_id}`;
  const copy = async () => {
    await navigator.clipboard.writeText(new URL(path, location.href).href);
    notices.say(text('home.copied'));
  };
  return (
    <li className={styles.item} data-running={running || undefined}>
      {start && (
        <p className={styles.time}>
          <time dateTime={start.toISOString()}>{time(start)}</time>
          {end && <time dateTime={end.toISOString()}>{time(end)}</time>}
        </p>
      )}
      <div className={styles.words}>
        <p className={styles.title}>{meeting.title}</p>
        <p className={styles.detail}>
          {running ? (
            <span className={styles.inside}>{t('home.inside', { count: meeting.participant_count })}</span>
          ) : (
            <bdi>{meeting.meeting_id}</bdi>
          )}
        </p>
      </div>
      <Menu
        trigger={
          <Button look="quiet" icon aria-label={t('home.moreFor', { title: meeting.title })}>
            <MoreIcon aria-hidden />
          </Button>
        }
      >
        <MenuItem icon={<LinkIcon aria-hidden />} onClick={() => void copy()}>
          {t('home.copyLink')}
        </MenuItem>
        {agenda.isHost(meeting) && !running && (
          <>
            <MenuLine />
            <MenuItem danger icon={<DeleteIcon aria-hidden />} onClick={() => void agenda.cancel(meeting)}>
              {t('home.cancelMeeting')}
            </MenuItem>
          </>
        )}
      </Menu>
      <LinkButton
        href={path}
        look={running ? 'primary' : 'plain'}
        aria-label={t('home.joinNamed', { title: meeting.title })}
      >
        {t('home.join')}
      </LinkButton>
    </li>
  );
}
