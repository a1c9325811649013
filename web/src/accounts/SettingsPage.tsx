import { useStore } from '@nanostores/react';
import { type ReactNode, useState } from 'react';
import { navigate } from 'wouter/use-browser-location';
import { useModel, useServices } from '../app/services';
import { explain } from '../i18n/explain';
import { useI18n } from '../i18n/react';
import { Button } from '../ui/Button';
import { Dialog } from '../ui/Dialog';
import { Failure } from '../ui/Failure';
import { CheckIcon } from '../ui/icons';
import { Page } from '../ui/Page';
import { SwitchRow } from '../ui/SwitchRow';
import { submitting } from '../ui/submitting';
import { Choice, PasswordField, TextField } from '../ui/TextField';
import styles from './accounts.module.css';
import { CodeForm } from './CodeStep';
import { AccountEnd, PasswordChange } from './credentials';
import { Settings } from './settings';
import { Verification } from './verification';

export default function SettingsPage() {
  const { t } = useI18n();
  return (
    <Page title={t('settings.title')}>
      <Profile />
      <Addresses />
      <Password />
      <Leaving />
    </Page>
  );
}

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className={styles.section}>
      <h2>{title}</h2>
      {children}
    </section>
  );
}

function Profile() {
  const { t } = useI18n();
  const model = useModel((services) => new Settings(services));
  const { form } = model;
  const fields = useStore(form.$fields);
  const switches = [
    ['microphone', t('settings.microphone')],
    ['camera', t('settings.camera')],
    ['joinAudio', t('settings.joinAudio')],
  ] as const;
  return (
    <form onSubmit={submitting(() => model.save())} noValidate>
      <Section title={t('settings.profile')}>
        <Names model={model} />
      </Section>
      <Section title={t('settings.devices')}>
        {switches.map(([name, label]) => (
          <SwitchRow key={name} label={label} checked={fields[name]} onChange={(on) => form.set(name, on)} />
        ))}
      </Section>
      <Failure text={useStore(form.$failure)} />
      <Button type="submit" look="primary" busy={useStore(form.$busy)}>
        {t('app.save')}
      </Button>
    </form>
  );
}

function Names({ model: { form, languages, timeZones } }: { model: Settings }) {
  const { t, say } = useI18n();
  const fields = useStore(form.$fields);
  const problems = useStore(form.$problems);
  const bind = (name: 'firstName' | 'lastName' | 'displayName') => ({
    value: fields[name],
    onChange: (value: string) => form.set(name, value),
    problem: problems[name] && say(problems[name]),
  });
  return (
    <div className={styles.form}>
      <div className={styles.pair}>
        <TextField label={t('accounts.firstName')} autoComplete="given-name" {...bind('firstName')} />
        <TextField label={t('accounts.lastName')} autoComplete="family-name" {...bind('lastName')} />
      </div>
      <TextField label={t('settings.displayName')} autoComplete="name" {...bind('displayName')} />
      <div className={styles.pair}>
        <Choice
          label={t('app.language')}
          value={fields.language}
          onChange={(language) => form.set('language', language as typeof fields.language)}
          options={languages}
        />
        <Choice
          label={t('schedule.timeZone')}
          value={fields.timeZone}
          onChange={(zone) => form.set('timeZone', zone)}
          options={timeZones.map((zone) => [zone, zone.replaceAll('_', ' ')] as const)}
        />
      </div>
    </div>
  );
}

/** Where the person can be reached, and whether that was proven. */
function Addresses() {
  const { t } = useI18n();
  const { session } = useServices();
  const state = useStore(session.state);
  const [proving, setProving] = useState<string | null>(null);
  if (state.status !== 'person') return null;
  const { email, email_verified, phone_number, phone_verified } = state.profile;
  const all = [
    [email, email_verified],
    [phone_number, phone_verified],
  ] as const;
  return (
    <Section title={t('settings.addresses')}>
      <ul className={styles.addresses}>
        {all.map(
          ([address, verified]) =>
            address && (
              <li key={address}>
                <bdi className={styles.address}>{address}</bdi>
                {verified ? (
                  <span className={styles.good}>
                    <CheckIcon size={16} aria-hidden />
                    {t('settings.verified')}
                  </span>
                ) : (
                  <Button onClick={() => setProving(address)}>{t('settings.verify')}</Button>
                )}
              </li>
            ),
        )}
      </ul>
      <Dialog open={proving !== null} onClose={() => setProving(null)} title={t('settings.verify')}>
        {proving && <Proof address={proving} onDone={() => setProving(null)} />}
      </Dialog>
    </Section>
  );
}

function Proof({ address, onDone }: { address: string; onDone: () => void }) {
  const { session } = useServices();
  const verification = useModel((services) => new Verification(services, () => address));
  const verify = async () => {
    if (await verification.verify(() => session.refresh())) onDone();
  };
  return <CodeForm verification={verification} address={address} onSubmit={() => void verify()} />;
}

function Password() {
  const { t, say } = useI18n();
  const model = useModel((services) => new PasswordChange(services));
  const { form } = model;
  const fields = useStore(form.$fields);
  const problems = useStore(form.$problems);
  return (
    <Section title={t('accounts.password')}>
      <form className={styles.form} action={() => void model.submit()} noValidate>
        <PasswordField
          label={t('settings.currentPassword')}
          autoComplete="current-password"
          value={fields.current}
          onChange={(current) => form.set('current', current)}
          problem={problems.current && say(problems.current)}
        />
        <PasswordField
          label={t('settings.newPassword')}
          hint={t('accounts.passwordRule')}
          autoComplete="new-password"
          value={fields.next}
          onChange={(next) => form.set('next', next)}
          problem={problems.next && say(problems.next)}
        />
        <Failure text={useStore(form.$failure)} />
        <div className={styles.end}>
          <p>{t('settings.passwordText')}</p>
          <Button type="submit" busy={useStore(form.$busy)}>
            {t('settings.changePassword')}
          </Button>
        </div>
      </form>
    </Section>
  );
}

function Leaving() {
  const { t } = useI18n();
  const { session, notices } = useServices();
  const [deleting, setDeleting] = useState(false);
  const logOut = async () => {
    await session.logOut().catch((error) => notices.warn(explain(error)));
    navigate('/');
  };
  return (
    <Section title={t('settings.leaving')}>
      <div className={styles.end}>
        <p>{t('settings.everywhereText')}</p>
        <Button onClick={() => void logOut()}>{t('settings.everywhere')}</Button>
      </div>
      <div className={styles.end}>
        <p>{t('settings.deleteText')}</p>
        <Button className={styles.danger} onClick={() => setDeleting(true)}>
          {t('settings.delete')}
        </Button>
      </div>
      <Dialog open={deleting} onClose={() => setDeleting(false)} title={t('settings.delete')}>
        <End />
      </Dialog>
    </Section>
  );
}

function End() {
  const { t, say } = useI18n();
  const model = useModel((services) => new AccountEnd(services));
  const { form } = model;
  const problem = useStore(form.$problems).password;
  const end = async () => {
    if (await model.submit()) navigate('/');
  };
  return (
    <form className={styles.form} action={() => void end()} noValidate>
      <p>{t('settings.deleteWarning')}</p>
      <PasswordField
        label={t('settings.currentPassword')}
        autoComplete="current-password"
        value={useStore(form.$fields).password}
        onChange={(password) => form.set('password', password)}
        problem={problem && say(problem)}
      />
      <Failure text={useStore(form.$failure)} />
      <Button type="submit" look="danger" busy={useStore(form.$busy)}>
        {t('settings.deleteNow')}
      </Button>
    </form>
  );
}
