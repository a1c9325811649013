import { useStore } from '@nanostores/react';
import { useCallback, useEffect, useState } from 'react';
import type { Meeting, MeetingDetails } from '../api/platform';
import { useModel, useServices } from '../app/services';
import { explain } from '../i18n/explain';
import type { Text } from '../i18n/i18n';
import { useI18n } from '../i18n/react';
import { Button, LinkButton } from '../ui/Button';
import { Failure } from '../ui/Failure';
import { Loading } from '../ui/Loading';
import { Page } from '../ui/Page';
import { SwitchRow } from '../ui/SwitchRow';
import { submitting } from '../ui/submitting';
import { Choice, TextArea, TextField } from '../ui/TextField';
import { InvitationCard } from './InvitationCard';
import styles from './SchedulePage.module.css';
import { type Plan, Schedule } from './schedule';
import { deviceZone } from './time';

interface Props {
  /** The meeting to change; left out: a new one. */
  id?: string;
}

export default function SchedulePage({ id }: Props) {
  const { t } = useI18n();
  const { platform } = useServices().api;
  const [before, setBefore] = useState<MeetingDetails | null>(null);
  const [problem, setProblem] = useState<Text | null>(null);
  const load = useCallback(() => {
    setProblem(null);
    if (id) platform.meeting(id).then(setBefore, (error) => setProblem(explain(error)));
  }, [platform, id]);
  useEffect(load, [load]);
  if (id && !before) {
    return (
      <Page title={t('schedule.changeTitle')}>
        {problem ? <Failure text={problem} onRetry={load} /> : <Loading />}
      </Page>
    );
  }
  return <Planning before={before} />;
}

function Planning({ before }: { before: MeetingDetails | null }) {
  const { t } = useI18n();
  const model = useModel((services) => new Schedule(services, before));
  const [saved, setSaved] = useState<Meeting | null>(null);
  const { form } = model;
  const failure = useStore(form.$failure);
  const busy = useStore(form.$busy);
  const save = async () => setSaved(await model.save());
  if (saved) return <Saved meeting={saved} />;
  return (
    <Page title={t(before ? 'schedule.changeTitle' : 'schedule.title')}>
      <form className={styles.form} onSubmit={submitting(save)} noValidate>
        <What model={model} />
        <When model={model} />
        <Options model={model} />
        <Failure text={failure} />
        <div className={styles.actions}>
          <LinkButton href="/" look="quiet">
            {t('app.cancel')}
          </LinkButton>
          <Button type="submit" look="primary" busy={busy}>
            {t(before ? 'app.save' : 'schedule.create')}
          </Button>
        </div>
      </form>
    </Page>
  );
}

/** It is planned; now others are to hear of it. */
function Saved({ meeting }: { meeting: Meeting }) {
  const { t } = useI18n();
  return (
    <Page title={t('schedule.savedTitle')}>
      <div className={styles.form}>
        <p>{t('schedule.savedText')}</p>
        <InvitationCard meeting={meeting} />
        <div className={styles.actions}>
          <LinkButton href="/" look="primary">
            {t('schedule.toAgenda')}
          </LinkButton>
        </div>
      </div>
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

function When({ model }: { model: Schedule }) {
  const { t, say } = useI18n();
  const { form, timeZones } = model;
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
          options={model.durations.map((count) => [String(count), t('schedule.minutes', { count })] as const)}
        />
      </div>
      <Choice
        label={t('schedule.timeZone')}
        value={timeZone}
        onChange={(zone) => form.set('timeZone', zone)}
        options={timeZones.map((zone) => [zone, zone.replaceAll('_', ' ')] as const)}
        hint={<HereTime model={model} />}
      />
    </>
  );
}

/** What the clocks show here at that time, where they are others. */
function HereTime({ model }: { model: Schedule }) {
  const { t, dayAndTime } = useI18n();
  const plan = useStore(model.form.$fields);
  const start = model.startOf(plan);
  if (!start || plan.timeZone === deviceZone()) return null;
  return t('schedule.here', { time: dayAndTime(start) });
}

type Option = { [K in keyof Plan]: Plan[K] extends boolean ? K : never }[keyof Plan];

function Options({ model: { form } }: { model: Schedule }) {
  const { t, say } = useI18n();
  const plan = useStore(form.$fields);
  const problem = useStore(form.$problems).participants;
  const option = (name: Option, label: string, hint?: string) => (
    <SwitchRow
      label={label}
      {...(hint ? { hint } : {})}
      checked={plan[name]}
      onChange={(on) => form.set(name, on)}
    />
  );
  return (
    <fieldset className={styles.options}>
      <legend>{t('schedule.settings')}</legend>
      {option('waitingRoom', t('schedule.waitingRoom'), t('schedule.waitingRoomText'))}
      {option('passcode', t('schedule.passcode'), t('schedule.passcodeText'))}
      {plan.passcode && (
        <TextField
          className={styles.under}
          label={t('schedule.ownPasscode')}
          hint={t('schedule.ownPasscodeText')}
          autoComplete="off"
          dir="ltr"
          maxLength={64}
          value={plan.ownPasscode}
          onChange={(passcode) => form.set('ownPasscode', passcode)}
        />
      )}
      {option('beforeHost', t('schedule.beforeHost'), t('schedule.beforeHostText'))}
      {option('chat', t('schedule.chat'))}
      {option('screenShare', t('schedule.screenShare'))}
      {option('recording', t('schedule.recording'), t('schedule.recordingText'))}
      {plan.recording && option('autoRecording', t('schedule.autoRecording'))}
      <TextField
        className={styles.number}
        label={t('schedule.participants')}
        inputMode="numeric"
        dir="ltr"
        value={plan.participants}
        onChange={(participants) => form.set('participants', participants)}
        problem={problem && say(problem)}
      />
    </fieldset>
  );
}
