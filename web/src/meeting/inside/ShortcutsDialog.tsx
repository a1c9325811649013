import { useStore } from '@nanostores/react';
import { useI18n } from '../../i18n/react';
import { Dialog } from '../../ui/Dialog';
import { SwitchRow } from '../../ui/SwitchRow';
import styles from './ShortcutsDialog.module.css';
import { $shortcutsOn, SHORTCUTS } from './shortcuts';

/** The list of keys, and the switch that turns them off. */
export function ShortcutsDialog({ open, onClose }: { open: boolean; onClose: () => void }) {
  const { t, say } = useI18n();
  const on = useStore($shortcutsOn);
  return (
    <Dialog open={open} onClose={onClose} title={t('meeting.shortcuts')}>
      <SwitchRow
        label={t('meeting.keysOn')}
        hint={t('meeting.keysText')}
        checked={on}
        onChange={(on) => $shortcutsOn.set(on)}
      />
      <dl className={styles.keys} data-off={!on || undefined}>
        {SHORTCUTS.map(({ name, key, label }) => (
          <div key={name} className={styles.key}>
            <dt>{say({ key: label })}</dt>
            <dd>
              <kbd>{key.toUpperCase()}</kbd>
            </dd>
          </div>
        ))}
        <div className={styles.key}>
          <dt>{t('meeting.keyTalk')}</dt>
          <dd>
            <kbd>{t('meeting.keySpace')}</kbd>
          </dd>
        </div>
      </dl>
    </Dialog>
  );
}
