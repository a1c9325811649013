import { useStore } from '@nanostores/react';
import { useI18n } from '../../i18n/react';
import { Button } from '../../ui/Button';
import { Dialog } from '../../ui/Dialog';
import type { Call } from './call';

/** A host asks to unmute: nobody can do it for another. */
export function AskedDialog({ call }: { call: Call }) {
  const { t } = useI18n();
  return (
    <Dialog
      open={useStore(call.$asked)}
      onClose={() => call.keepMuted()}
      title={t('meeting.askedTitle')}
      actions={
        <>
          <Button onClick={() => call.keepMuted()}>{t('meeting.stayMuted')}</Button>
          <Button look="primary" onClick={() => call.setMicrophone(true)}>
            {t('meeting.unmute')}
          </Button>
        </>
      }
    >
      <p>{t('meeting.askedText')}</p>
    </Dialog>
  );
}
