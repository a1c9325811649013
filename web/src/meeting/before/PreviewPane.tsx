import { useStore } from '@nanostores/react';
import { useEffect, useRef } from 'react';
import { useI18n } from '../../i18n/react';
import { Avatar } from '../../ui/Avatar';
import { Button } from '../../ui/Button';
import { MeetingIcon, MicIcon, MicOffIcon, VideoOffIcon, WarningIcon } from '../../ui/icons';
import type { Mirror, Preview } from './mirror';
import styles from './PreviewPane.module.css';
import { PROBLEMS } from './problems';

/** One's own picture, and the two switches that matter. */
export function PreviewPane({ mirror, name }: { mirror: Mirror; name: string }) {
  const camera = useStore(mirror.$camera);
  const microphone = useStore(mirror.$microphone);
  return (
    <>
      <div className={styles.pane}>
        {camera.status === 'on' ? (
          <Picture stream={camera.stream} />
        ) : (
          <Placeholder camera={camera} name={name} />
        )}
        <div className={styles.switches}>
          <Switch mirror={mirror} kind="microphone" preview={microphone} />
          <Switch mirror={mirror} kind="camera" preview={camera} />
        </div>
      </div>
      <Trouble mirror={mirror} kind="camera" preview={camera} />
      <Trouble mirror={mirror} kind="microphone" preview={microphone} />
    </>
  );
}

function Picture({ stream }: { stream: MediaStream }) {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    if (video.current) video.current.srcObject = stream;
  }, [stream]);
  return <video ref={video} className={styles.video} autoPlay muted playsInline aria-hidden />;
}

function Placeholder({ camera, name }: { camera: Preview; name: string }) {
  const { t } = useI18n();
  return (
    <div className={styles.placeholder}>
      <Avatar name={name} size={96} />
      <p>{camera.status === 'opening' ? t('meeting.cameraStarting') : t('meeting.cameraOff')}</p>
    </div>
  );
}

function Switch({
  mirror,
  kind,
  preview,
}: {
  mirror: Mirror;
  kind: 'camera' | 'microphone';
  preview: Preview;
}) {
  const { t } = useI18n();
  const on = preview.status === 'on' || preview.status === 'opening';
  const labels =
    kind === 'camera'
      ? [t('meeting.turnOffCamera'), t('meeting.turnOnCamera')]
      : [t('meeting.turnOffMicrophone'), t('meeting.turnOnMicrophone')];
  const icons = kind === 'camera' ? [MeetingIcon, VideoOffIcon] : [MicIcon, MicOffIcon];
  const Icon = (on ? icons[0] : icons[1]) ?? WarningIcon;
  return (
    <button
      type="button"
      className={styles.switch}
      data-off={!on || undefined}
      aria-label={on ? labels[0] : labels[1]}
      title={on ? labels[0] : labels[1]}
      onClick={() => void mirror.set(kind, !on)}
    >
      <Icon aria-hidden />
      {preview.status === 'problem' && <span className={styles.mark} aria-hidden />}
    </button>
  );
}

/** What is wrong with a device, and what helps. */
function Trouble({
  mirror,
  kind,
  preview,
}: {
  mirror: Mirror;
  kind: 'camera' | 'microphone';
  preview: Preview;
}) {
  const { t, say } = useI18n();
  const problem = preview.status === 'problem' ? PROBLEMS[kind][preview.problem] : null;
  return (
    <div role="status">
      {problem && (
        <div className={styles.trouble}>
          <WarningIcon size={18} aria-hidden />
          <div>
            <p className={styles.what}>{say(problem.title)}</p>
            <p>{say(problem.help)}</p>
          </div>
          <Button onClick={() => void mirror.set(kind, true)}>{t('app.retry')}</Button>
        </div>
      )}
    </div>
  );
}
