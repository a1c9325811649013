import { useState } from 'react';
import { navigate } from 'wouter/use-browser-location';
import type { MeetingRow } from '../api/platform';
import { useI18n } from '../i18n/react';
import { Button, LinkButton } from '../ui/Button';
import { Dialog } from '../ui/Dialog';
import { DeleteIcon, EditIcon, InviteIcon, MoreIcon } from '../ui/icons';
import { Menu, MenuItem, MenuLine } from '../ui/Menu';
import type { Agenda } from './agenda';
import { InvitationDialog } from './InvitationCard';
import styles from './MeetingItem.module.css';

/** One meeting of the agenda: when, what, how many are inside, and the way in. */
export function MeetingItem({ meeting, agenda }: { meeting: MeetingRow; agenda: Agenda }) {
  const { t, time } = useI18n();
  const start = meeting.scheduled_start_time && new Date(meeting.scheduled_start_time);
  const end = meeting.scheduled_end_time && new Date(meeting.scheduled_end_time);
  const running = meeting.status === 'active';
  const path = `/meeting/${meeting.meeting_id}`;
  const [inviting, setInviting] = useState(false);
  const [cancelling, setCancelling] = useState(false);
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
        <MenuItem icon={<InviteIcon aria-hidden />} onClick={() => setInviting(true)}>
          {t('home.invitation')}
        </MenuItem>
        {agenda.isHost(meeting) && !running && (
          <>
            <MenuItem
              icon={<EditIcon aria-hidden />}
              onClick={() => navigate(`/schedule/${meeting.meeting_id}`)}
            >
              {t('home.change')}
            </MenuItem>
            <MenuLine />
            <MenuItem danger icon={<DeleteIcon aria-hidden />} onClick={() => setCancelling(true)}>
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
      <InvitationDialog id={inviting ? meeting.id : null} onClose={() => setInviting(false)} />
      <Dialog
        open={cancelling}
        onClose={() => setCancelling(false)}
        title={t('home.cancelMeeting')}
        actions={
          <>
            <Button look="quiet" onClick={() => setCancelling(false)}>
              {t('home.keep')}
            </Button>
            <Button look="danger" onClick={() => void agenda.cancel(meeting)}>
              {t('home.cancelMeeting')}
            </Button>
          </>
        }
      >
        <p>{t('home.cancelText', { title: meeting.title })}</p>
      </Dialog>
    </li>
  );
}
