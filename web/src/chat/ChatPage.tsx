import { useI18n } from '../i18n/react';
import { Page } from '../ui/Page';

export default function ChatPage() {
  const { t } = useI18n();
  return <Page title={t('chat.title')}>{null}</Page>;
}
