import { useEffect, useMemo, useState } from 'react';
import type { Meeting, MeetingDetails } from '../api/platform';
import { useServices } from '../app/services';
import { explain } from '../i18n/explain';
import type { Text } from '../i18n/i18n';
import { useI18n } from '../i18n/react';
import { Button } from '../ui/Button';
import { copyWords } from '../ui/clipboard';
import { Dialog } from '../ui/Dialog';
import { Failure } from '../ui/Failure';
import { CalendarFileIcon, CopyIcon, LinkIcon } from '../ui/icons';
import { Loading } from '../ui/Loading';
import styles from './InvitationCard.module.css';
import { Invitation } from './invitation';

/** The invitation's words, to be copied or put into a calendar. */
export function InvitationCard({ meeting }: { meeting: Meeting | MeetingDetails }) {
  const i18n = useI18n();
  const { t } = i18n;
  const { notices } = useServices();
  const invitation = useMemo(() => new Invitation(meeting, location.href), [meeting]);
  const words = invitation.text(i18n);
  const file = invitation.file(i18n);
  const copy = (words: string) => copyWords(words, notices);
  return (
    <div className={styles.card}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be scrolled by keyboard too */}
      <pre className={styles.words} dir="auto" tabIndex={0}>
        {words}
      </pre>
      <div className={styles.actions}>
        <Button look="primary" onClick={() => void copy(words)}>
          <CopyIcon aria-hidden />
          {t('home.copyInvitation')}
        </Button>
        <Button onClick={() => void copy(invitation.link)}>
          <LinkIcon aria-hidden />
          {t('home.copyLink')}
        </Button>
        {file && (
          <Button onClick={() => save(file)}>
            <CalendarFileIcon aria-hidden />
            {t('home.calendarFile')}
          </Button>
        )}
      </div>
    </div>
  );
}

/** The same over the agenda, of a meeting whose details are not known yet. */
export function InvitationDialog({ id, onClose }: { id: string | null; onClose: () => void }) {
  const { t } = useI18n();
  const { platform } = useServices().api;
  const [meeting, setMeeting] = useState<MeetingDetails | null>(null);
  const [problem, setProblem] = useState<Text | null>(null);
  useEffect(() => {
    setMeeting(null);
    setProblem(null);
    if (id) platform.meeting(id).then(setMeeting, (error) => setProblem(explain(error)));
  }, [platform, id]);
  return (
    <Dialog open={id !== null} onClose={onClose} title={t('home.invitation')}>
      <Failure text={problem} />
      {meeting ? <InvitationCard meeting={meeting} /> : !problem && <Loading />}
    </Dialog>
  );
}

function save({ name, content }: { name: string; content: string }): void {
  const url = URL.createObjectURL(new Blob([content], { type: 'text/calendar;charset=utf-8' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
