import { useI18n } from '../i18n/react';
import { Page } from '../ui/Page';

export default function MeetingPage({ code }: { code: string }) {
  const { t } = useI18n();
  return (
    <Page title={t('meeting.title')}>
      <p>
        <bdi>{code}</bdi>
      </p>
    </Page>
  );
}
