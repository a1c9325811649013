import { useStore } from '@nanostores/react';
import { useState } from 'react';
import { useI18n } from '../../i18n/react';
import { useArrival } from '../../ui/Page';
import { Announcer } from './Announcer';
import { AskedDialog } from './AskedDialog';
import { Banners } from './Banners';
import styles from './CallView.module.css';
import { ChatPanel } from './ChatPanel';
import { ControlBar } from './ControlBar';
import type { Call } from './call';
import { DevicesDialog } from './DevicesDialog';
import { PeoplePanel } from './PeoplePanel';
import { ShortcutsDialog } from './ShortcutsDialog';
import { StageView } from './StageView';
import { TopBar } from './TopBar';
import { useKeys } from './useKeys';
import { useWakeLock } from './useWakeLock';

export type Window = 'shortcuts' | 'devices' | null;

/** A meeting from the inside: stage, panel, controls. */
export function CallView({ call }: { call: Call }) {
  const { t } = useI18n();
  const panel = useStore(call.$panel);
  const title = useStore(call.$about)?.title ?? t('meeting.title');
  const [window, setWindow] = useState<Window>(null);
  useKeys(call, () => setWindow((now) => (now === 'shortcuts' ? null : 'shortcuts')));
  useWakeLock();
  const main = useArrival(title);
  return (
    <main
      id="main"
      ref={main}
      tabIndex={-1}
      className={styles.call}
      aria-label={title}
      data-panel={panel ?? undefined}
    >
      <TopBar call={call} title={title} />
      <div className={styles.stage}>
        <Banners call={call} />
        <StageView call={call} />
      </div>
      {panel === 'chat' && <ChatPanel call={call} />}
      {panel === 'people' && <PeoplePanel call={call} />}
      <ControlBar call={call} onOpen={setWindow} />
      <Announcer call={call} />
      <AskedDialog call={call} />
      <DevicesDialog call={call} open={window === 'devices'} onClose={() => setWindow(null)} />
      <ShortcutsDialog open={window === 'shortcuts'} onClose={() => setWindow(null)} />
    </main>
  );
}
