import { useStore } from '@nanostores/react';
import { useI18n } from '../../i18n/react';
import { Button } from '../../ui/Button';
import { SoundIcon } from '../../ui/icons';
import { SwitchRow } from '../../ui/SwitchRow';
import { Choice } from '../../ui/TextField';
import styles from './DeviceChoices.module.css';
import type { DeviceKind } from './devices';
import type { Mirror } from './mirror';

/** Camera, microphone with its level, speaker with its test, and blur where the camera can. */
export function DeviceChoices({ mirror }: { mirror: Mirror }) {
  const { t } = useI18n();
  const choice = useStore(mirror.devices.$choice);
  const speakers = useStore(mirror.devices.$all).speaker;
  return (
    <div className={styles.choices}>
      <div className={styles.field}>
        <DeviceChoice mirror={mirror} kind="microphone" />
        <Level mirror={mirror} />
      </div>
      <div className={styles.field}>
        {/* Not every browser lets a page choose. */}
        {speakers.length > 0 && <DeviceChoice mirror={mirror} kind="speaker" />}
        <SpeakerTest mirror={mirror} />
      </div>
      <div className={styles.field}>
        <DeviceChoice mirror={mirror} kind="camera" />
        {useStore(mirror.$canBlur) && (
          <SwitchRow
            label={t('meeting.blur')}
            checked={choice.blur}
            onChange={(on) => void mirror.setBlur(on)}
          />
        )}
      </div>
    </div>
  );
}

function DeviceChoice({ mirror, kind }: { mirror: Mirror; kind: DeviceKind }) {
  const { t } = useI18n();
  const devices = useStore(mirror.devices.$all)[kind];
  const used = useStore(mirror.devices.$used)[kind];
  const label = {
    camera: t('meeting.camera'),
    microphone: t('meeting.microphone'),
    speaker: t('meeting.speaker'),
  };
  const none = devices.length === 0;
  const options = none
    ? [['', t('meeting.noDevice')] as const]
    : devices.map(({ id, label }) => [id, label || t('meeting.asSystem')] as const);
  return (
    <Choice
      label={label[kind]}
      disabled={none}
      value={used ?? devices[0]?.id ?? ''}
      onChange={(id) => void mirror.choose(kind, id)}
      options={options}
    />
  );
}

function Level({ mirror }: { mirror: Mirror }) {
  const { t } = useI18n();
  const status = useStore(mirror.$microphone).status;
  const metered = useStore(mirror.$metered);
  const heard = useStore(mirror.$heard);
  return (
    <div className={styles.level}>
      <Meter mirror={mirror} />
      <p className={styles.hint} role="status">
        {status === 'on' && metered && (heard ? t('meeting.weHearYou') : t('meeting.speakUp'))}
      </p>
    </div>
  );
}

/** Moves many times a second: nothing else is drawn with it. */
function Meter({ mirror }: { mirror: Mirror }) {
  const level = useStore(mirror.$level);
  return (
    <div className={styles.meter} aria-hidden>
      <div className={styles.fill} style={{ inlineSize: `${Math.round(level * 100)}%` }} />
    </div>
  );
}

function SpeakerTest({ mirror }: { mirror: Mirror }) {
  const { t } = useI18n();
  const playing = useStore(mirror.$playing);
  return (
    <Button busy={playing} onClick={() => void mirror.testSpeaker()}>
      <SoundIcon aria-hidden />
      {playing ? t('meeting.testPlaying') : t('meeting.testSpeaker')}
    </Button>
  );
}
