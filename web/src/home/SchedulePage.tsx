import { useStore } from '@nanostores/react';
import { navigate } from 'wouter/use-browser-location';
import { useModel } from '../app/services';
import { useI18n } from '../i18n/react';
import { Button, LinkButton } from '../ui/Button';
import { Failure } from '../ui/Failure';
import { Page } from '../ui/Page';
import { SwitchRow } from '../ui/SwitchRow';
import { Choice, TextArea, TextField } from '../ui/TextField';
import styles from './SchedulePage.module.css';
import { DURATIONS, type Plan, Schedule } from './schedule';

export default function SchedulePage() {
  const { t } = useI18n();
  const model = useModel((services) => new Schedule(services));
  const { form } = model;
  const create = async () => {
    if (await model.create()) navigate('/');
  };
  return (
    <Page title={t('schedule.title')}>
      <form className={styles.form} action={() => void create()} noValidate>
        <What model={model} />
        <When model={model} />
        <Options model={model} />
        <Failure text={useStore(form.$failure)} />
        <div className={styles.actions}>
          <LinkButton href="/" look="quiet">
            {t('app.cancel')}
          </LinkButton>
          <Button type="submit" look="primary" busy={useStore(form.$busy)}>
            {t('schedule.create')}
          </Button>
        </div>
      </form>
    </Page>
  );
}

function What({ model: { form } }: { model: Schedule }) {
  const { t, say } = useI18n();
  const { title, description } = useStore(form.$fields);
  const problem = useStore(form.$problems).title;
  return (
    <>
      <TextField
        label={t('schedule.name')}
        autoFocus
        maxLength={200}
        value={title}
        onChange={(title) => form.set('title', title)}
        problem={problem && say(problem)}
      />
      <TextArea
        label={t('schedule.description')}
        value={description}
        onChange={(description) => form.set('description', description)}
      />
    </>
  );
}

function When({ model: { form, timeZones } }: { model: Schedule }) {
  const { t, say } = useI18n();
  const { date, start, duration, timeZone } = useStore(form.$fields);
  const problems = useStore(form.$problems);
  return (
    <>
      <div className={styles.when}>
        <TextField
          label={t('schedule.date')}
          type="date"
          value={date}
          onChange={(date) => form.set('date', date)}
          problem={problems.date && say(problems.date)}
        />
        <TextField
          label={t('schedule.start')}
          type="time"
          value={start}
          onChange={(start) => form.set('start', start)}
          problem={problems.start && say(problems.start)}
        />
        <Choice
          label={t('schedule.duration')}
          value={String(duration)}
          onChange={(minutes) => form.set('duration', Number(minutes))}
          options={DURATIONS.map((count) => [String(count), t('schedule.minutes', { count })] as const)}
        />
      </div>
      <Choice
        label={t('schedule.timeZone')}
        value={timeZone}
        onChange={(zone) => form.set('timeZone', zone)}
        options={timeZones.map((zone) => [zone, zone.replaceAll('_', ' ')] as const)}
      />
    </>
  );
}

type Option = { [K in keyof Plan]: Plan[K] extends boolean ? K : never }[keyof Plan];

function Options({ model: { form } }: { model: Schedule }) {
  const { t } = useI18n();
  const plan = useStore(form.$fields);
  const options: [Option, string, string?][] = [
    ['waitingRoom', t('schedule.waitingRoom'), t('schedule.waitingRoomText')],
    ['passcode', t('schedule.passcode'), t('schedule.passcodeText')],
    ['beforeHost', t('schedule.beforeHost'), t('schedule.beforeHostText')],
    ['recording', t('schedule.recording'), t('schedule.recordingText')],
    ['screenShare', t('schedule.screenShare')],
  ];
  return (
    <fieldset className={styles.options}>
      <legend>{t('schedule.settings')}</legend>
      {options.map(([name, label, hint]) => (
        <SwitchRow
          key={name}
          label={label}
          {...(hint ? { hint } : {})}
          checked={plan[name]}
          onChange={(on) => form.set(name, on)}
        />
      ))}
    </fieldset>
  );
}
