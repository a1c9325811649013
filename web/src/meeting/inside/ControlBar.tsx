import { useStore } from '@nanostores/react';
import { type ComponentProps, type ReactNode, useState } from 'react';
import { useI18n } from '../../i18n/react';
import { Button } from '../../ui/Button';
import { Dialog } from '../../ui/Dialog';
import {
  ChatIcon,
  ChevronUpIcon,
  FullscreenIcon,
  GridIcon,
  HandIcon,
  KeyboardIcon,
  LeaveIcon,
  MeetingIcon,
  MicIcon,
  MicOffIcon,
  MoreIcon,
  PeopleIcon,
  PipIcon,
  SettingsIcon,
  ShareIcon,
  StopShareIcon,
  VideoOffIcon,
} from '../../ui/icons';
import { Menu, MenuChoice, MenuItem, MenuLine } from '../../ui/Menu';
import type { DeviceKind } from '../before/devices';
import type { LayoutMode } from './arrange';
import type { Window } from './CallView';
import styles from './ControlBar.module.css';
import type { Call } from './call';
import { ReactionMenu } from './ReactionMenu';

/** What one does in a meeting, in the order of how often. Each button says what it does and how things stand. */
export function ControlBar({ call, onOpen }: { call: Call; onOpen: (window: Window) => void }) {
  const { t } = useI18n();
  return (
    <footer className={styles.bar}>
      <div className={styles.group} role="toolbar" aria-label={t('meeting.controls')}>
        <Microphone call={call} />
        <Camera call={call} />
        <Share call={call} />
        <Hand call={call} />
        <ReactionMenu call={call} />
        <span className={styles.gap} aria-hidden />
        <Chat call={call} />
        <People call={call} />
        <More call={call} onOpen={onOpen} />
        <span className={styles.gap} aria-hidden />
        <Leave call={call} />
      </div>
    </footer>
  );
}

interface ControlProps extends Omit<ComponentProps<'button'>, 'aria-label'> {
  icon: ReactNode;
  /** Shown below. */
  word: string;
  /** What it does and how things stand; begins with the word. */
  label?: string;
  look?: 'off' | 'active' | 'leave';
  /** How many. */
  badge?: number;
}

export function Control({ icon, word, label, look, badge, className, ...rest }: ControlProps) {
  return (
    <button
      type="button"
      {...rest}
      className={`${styles.control} ${className ?? ''}`}
      data-look={look}
      aria-label={label ?? word}
      title={label ?? word}
    >
      <span className={styles.icon}>
        {icon}
        {badge !== undefined && badge > 0 && (
          // Drawn, not written: the label says it in words.
          <span className={styles.badge} data-count={badge > 99 ? '99+' : badge} aria-hidden />
        )}
      </span>
      <span className={styles.word}>{word}</span>
    </button>
  );
}

function Microphone({ call }: { call: Call }) {
  const { t } = useI18n();
  const on = useStore(call.$microphone);
  return (
    <div className={styles.pair}>
      <Control
        icon={on ? <MicIcon aria-hidden /> : <MicOffIcon aria-hidden />}
        word={on ? t('meeting.mute') : t('meeting.unmute')}
        label={on ? t('meeting.muteLabel') : t('meeting.unmuteLabel')}
        look={on ? undefined : 'off'}
        aria-keyshortcuts="M"
        onClick={() => call.toggleMicrophone()}
      />
      <Menu trigger={<Caret label={t('meeting.chooseMicrophone')} />}>
        <DeviceMenu call={call} kind="microphone" label={t('meeting.microphone')} />
        <MenuLine />
        <DeviceMenu call={call} kind="speaker" label={t('meeting.speaker')} />
      </Menu>
    </div>
  );
}

function Camera({ call }: { call: Call }) {
  const { t } = useI18n();
  const on = useStore(call.$camera);
  return (
    <div className={styles.pair}>
      <Control
        icon={on ? <MeetingIcon aria-hidden /> : <VideoOffIcon aria-hidden />}
        word={on ? t('meeting.stopVideo') : t('meeting.startVideo')}
        label={on ? t('meeting.stopVideoLabel') : t('meeting.startVideoLabel')}
        look={on ? undefined : 'off'}
        aria-keyshortcuts="V"
        onClick={() => call.toggleCamera()}
      />
      <Menu trigger={<Caret label={t('meeting.chooseCamera')} />}>
        <DeviceMenu call={call} kind="camera" label={t('meeting.camera')} />
      </Menu>
    </div>
  );
}

function Caret({ label, ...rest }: ComponentProps<'button'> & { label: string }) {
  return (
    <button type="button" {...rest} className={styles.caret} aria-label={label} title={label}>
      <ChevronUpIcon aria-hidden />
    </button>
  );
}

function DeviceMenu({ call, kind, label }: { call: Call; kind: DeviceKind; label: string }) {
  const { t } = useI18n();
  const devices = useStore(call.devices.$all)[kind];
  const used = useStore(call.devices.$used)[kind];
  const options = devices.map(({ id, label }) => [id, label || t('meeting.asSystem')] as const);
  return (
    <MenuChoice
      label={label}
      value={used ?? devices[0]?.id ?? ''}
      options={options.length > 0 ? options : [['', t('meeting.noDevice')]]}
      onChange={(id) => id && call.chooseDevice(kind, id)}
    />
  );
}

function Share({ call }: { call: Call }) {
  const { t } = useI18n();
  const on = useStore(call.$me)?.screen.on ?? false;
  const allowed = useStore(call.$mayShare);
  if (!allowed) return null;
  return (
    <Control
      className={styles.wideOnly}
      icon={on ? <StopShareIcon aria-hidden /> : <ShareIcon aria-hidden />}
      word={on ? t('meeting.stopShare') : t('meeting.share')}
      label={on ? t('meeting.stopShareLabel') : t('meeting.shareLabel')}
      look={on ? 'active' : undefined}
      aria-keyshortcuts="S"
      onClick={() => call.toggleScreen()}
    />
  );
}

function Hand({ call }: { call: Call }) {
  const { t } = useI18n();
  const up = useStore(call.$me)?.hand != null;
  return (
    <Control
      icon={<HandIcon aria-hidden />}
      word={up ? t('meeting.lowerHand') : t('meeting.raiseHand')}
      look={up ? 'active' : undefined}
      aria-keyshortcuts="H"
      onClick={() => call.toggleHand()}
    />
  );
}

function Chat({ call }: { call: Call }) {
  const { t } = useI18n();
  const open = useStore(call.$panel) === 'chat';
  const unseen = useStore(call.chat.$unseen);
  const about = useStore(call.$about);
  if (about?.chat_enabled === false) return null;
  return (
    <Control
      icon={<ChatIcon aria-hidden />}
      word={t('meeting.chat')}
      label={unseen > 0 ? t('meeting.chatUnseen', { count: unseen }) : t('meeting.chat')}
      look={open ? 'active' : undefined}
      badge={unseen}
      aria-expanded={open}
      aria-keyshortcuts="C"
      onClick={() => call.togglePanel('chat')}
    />
  );
}

function People({ call }: { call: Call }) {
  const { t } = useI18n();
  const open = useStore(call.$panel) === 'people';
  const here = useStore(call.$people).length;
  const waiting = useStore(call.members.$waiting).length;
  const hosts = useStore(call.$hosts);
  const label =
    hosts && waiting > 0
      ? t('meeting.peopleWaiting', { count: waiting })
      : t('meeting.peopleLabel', { count: here });
  return (
    <Control
      icon={<PeopleIcon aria-hidden />}
      word={t('meeting.people')}
      label={label}
      look={open ? 'active' : undefined}
      badge={hosts ? waiting : 0}
      aria-expanded={open}
      aria-keyshortcuts="P"
      onClick={() => call.togglePanel('people')}
    />
  );
}

function More({ call, onOpen }: { call: Call; onOpen: (window: Window) => void }) {
  const { t } = useI18n();
  const mode = useStore(call.stage.$mode);
  const sharing = useStore(call.$me)?.screen.on ?? false;
  const mayShare = useStore(call.$mayShare);
  const layouts: [LayoutMode, string][] = [
    ['grid', t('meeting.layoutGrid')],
    ['speaker', t('meeting.layoutSpeaker')],
    ['spotlight', t('meeting.layoutSpotlight')],
  ];
  return (
    <Menu trigger={<Control icon={<MoreIcon aria-hidden />} word={t('meeting.more')} />}>
      <MenuChoice
        label={t('meeting.layout')}
        icon={<GridIcon aria-hidden />}
        value={mode}
        options={layouts}
        onChange={(mode) => call.stage.setMode(mode)}
      />
      <MenuLine />
      {mayShare && (
        <MenuItem icon={<ShareIcon aria-hidden />} onClick={() => call.toggleScreen()}>
          {sharing ? t('meeting.stopShareLabel') : t('meeting.shareLabel')}
        </MenuItem>
      )}
      {call.pip.possible && (
        <MenuItem icon={<PipIcon aria-hidden />} onClick={() => void call.pip.toggle()}>
          {t('meeting.pip')}
        </MenuItem>
      )}
      {document.fullscreenEnabled && (
        <MenuItem icon={<FullscreenIcon aria-hidden />} onClick={() => void toggleFullscreen()}>
          {t('meeting.fullscreen')}
        </MenuItem>
      )}
      <MenuItem icon={<SettingsIcon aria-hidden />} onClick={() => onOpen('devices')}>
        {t('meeting.devices')}
      </MenuItem>
      <MenuItem icon={<KeyboardIcon aria-hidden />} onClick={() => onOpen('shortcuts')}>
        {t('meeting.shortcuts')}
      </MenuItem>
    </Menu>
  );
}

function toggleFullscreen(): Promise<void> {
  return document.fullscreenElement
    ? document.exitFullscreen()
    : document.documentElement.requestFullscreen();
}

/** Hosts choose: they alone can end it for everybody. */
function Leave({ call }: { call: Call }) {
  const { t } = useI18n();
  const [ending, setEnding] = useState(false);
  const isHost = useStore(call.$me)?.role === 'host';
  const button = (
    <Control
      icon={<LeaveIcon aria-hidden />}
      word={t('meeting.leave')}
      label={t('meeting.leaveMeeting')}
      look="leave"
    />
  );
  if (!isHost) {
    return (
      <Control
        icon={<LeaveIcon aria-hidden />}
        word={t('meeting.leave')}
        label={t('meeting.leaveMeeting')}
        look="leave"
        onClick={() => call.leave()}
      />
    );
  }
  return (
    <>
      <Menu trigger={button}>
        <MenuItem icon={<LeaveIcon aria-hidden />} onClick={() => call.leave()}>
          {t('meeting.leaveMeeting')}
        </MenuItem>
        <MenuItem danger icon={<LeaveIcon aria-hidden />} onClick={() => setEnding(true)}>
          {t('meeting.endForAll')}
        </MenuItem>
      </Menu>
      <Dialog
        open={ending}
        onClose={() => setEnding(false)}
        title={t('meeting.endQuestion')}
        actions={
          <>
            <Button onClick={() => setEnding(false)}>{t('app.cancel')}</Button>
            <Button look="danger" onClick={() => void call.endForAll()}>
              {t('meeting.endForAll')}
            </Button>
          </>
        }
      >
        <p>{t('meeting.endText')}</p>
      </Dialog>
    </>
  );
}
