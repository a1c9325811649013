import { useStore } from '@nanostores/react';
import { useModel } from '../app/services';
import { useI18n } from '../i18n/react';
import { Button } from '../ui/Button';
import { Failure } from '../ui/Failure';
import { Page } from '../ui/Page';
import { SwitchRow } from '../ui/SwitchRow';
import { Choice, TextField } from '../ui/TextField';
import styles from './accounts.module.css';
import { Settings } from './settings';

export default function SettingsPage() {
  const { t, say } = useI18n();
  const model = useModel((services) => new Settings(services));
  const { form } = model;
  const fields = useStore(form.$fields);
  const problems = useStore(form.$problems);
  return (
    <Page title={t('settings.title')}>
      <form action={() => void model.save()} noValidate>
        <section className={styles.section}>
          <h2>{t('settings.profile')}</h2>
          <div className={styles.form}>
            <TextField
              label={t('settings.displayName')}
              autoComplete="name"
              value={fields.displayName}
              onChange={(name) => form.set('displayName', name)}
              problem={problems.displayName && say(problems.displayName)}
            />
            <Choice
              label={t('schedule.timeZone')}
              value={fields.timeZone}
              onChange={(zone) => form.set('timeZone', zone)}
              options={model.timeZones.map((zone) => [zone, zone.replaceAll('_', ' ')] as const)}
            />
          </div>
        </section>
        <section className={styles.section}>
          <h2>{t('settings.devices')}</h2>
          <SwitchRow
            label={t('settings.microphone')}
            checked={fields.microphone}
            onChange={(on) => form.set('microphone', on)}
          />
          <SwitchRow
            label={t('settings.camera')}
            checked={fields.camera}
            onChange={(on) => form.set('camera', on)}
          />
        </section>
        <Failure text={useStore(form.$failure)} />
        <Button type="submit" look="primary" busy={useStore(form.$busy)}>
          {t('app.save')}
        </Button>
      </form>
    </Page>
  );
}
