import { useStore } from '@nanostores/react';
import { useI18n } from '../../i18n/react';
import { Dialog } from '../../ui/Dialog';
import { SwitchRow } from '../../ui/SwitchRow';
import { Choice } from '../../ui/TextField';
import type { DeviceKind } from '../before/devices';
import type { Call } from './call';
import styles from './DevicesDialog.module.css';

interface Props {
  call: Call;
  open: boolean;
  onClose: () => void;
}

/** Another camera, microphone or speaker, while the meeting goes on. */
export function DevicesDialog({ call, open, onClose }: Props) {
  const { t } = useI18n();
  const { blur } = useStore(call.devices.$choice);
  return (
    <Dialog open={open} onClose={onClose} title={t('meeting.devices')}>
      <div className={styles.fields}>
        <Field call={call} kind="microphone" label={t('meeting.microphone')} />
        <Field call={call} kind="speaker" label={t('meeting.speaker')} />
        <Field call={call} kind="camera" label={t('meeting.camera')} />
        {call.canBlur && (
          <SwitchRow label={t('meeting.blur')} checked={blur} onChange={(on) => call.setBlur(on)} />
        )}
      </div>
    </Dialog>
  );
}

function Field({ call, kind, label }: { call: Call; kind: DeviceKind; label: string }) {
  const { t } = useI18n();
  const devices = useStore(call.devices.$all)[kind];
  const used = useStore(call.devices.$used)[kind];
  const none = devices.length === 0;
  return (
    <Choice
      label={label}
      disabled={none}
      value={used ?? devices[0]?.id ?? ''}
      onChange={(id) => call.chooseDevice(kind, id)}
      options={
        none
          ? [['', t('meeting.noDevice')] as const]
          : devices.map(({ id, label }) => [id, label || t('meeting.asSystem')] as const)
      }
    />
  );
}
