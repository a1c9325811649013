import { useStore } from '@nanostores/react';
import { type ReactNode, useId, useState } from 'react';
import type { Participant } from '../../api/platform';
import { useI18n } from '../../i18n/react';
import { Avatar } from '../../ui/Avatar';
import { Button } from '../../ui/Button';
import { Dialog } from '../../ui/Dialog';
import {
  HandIcon,
  HostIcon,
  LinkIcon,
  MeetingIcon,
  MicIcon,
  MicOffIcon,
  MoreIcon,
  OfflineIcon,
  PoorIcon,
  RemoveIcon,
  VideoOffIcon,
} from '../../ui/icons';
import { Menu, MenuItem, MenuLine } from '../../ui/Menu';
import { SwitchRow } from '../../ui/SwitchRow';
import { useKeptFocus } from '../../ui/useKeptFocus';
import type { Call } from './call';
import { PanelFrame } from './PanelFrame';
import styles from './PeoplePanel.module.css';
import type { Person } from './people';
import { useCopyLink } from './TopBar';

/** Who is here, who waits, whose hand is up; and for hosts what they can do about it. */
export function PeoplePanel({ call }: { call: Call }) {
  const { t } = useI18n();
  const people = useStore(call.$people);
  const hosts = useStore(call.$hosts);
  const hands = people.filter(({ hand }) => hand !== null).sort((a, b) => (a.hand ?? 0) - (b.hand ?? 0));
  return (
    <PanelFrame title={t('meeting.people')} onClose={() => call.setPanel(null)}>
      <div className={styles.scroll} ref={useKeptFocus('aside h2')}>
        {hosts && <Waiting call={call} />}
        {hands.length > 0 && (
          <Section title={t('meeting.handsList')}>
            <ol className={styles.list}>
              {hands.map((person) => (
                <Row key={person.identity} name={person.name}>
                  <span className={styles.hand}>
                    <HandIcon size={16} aria-hidden />
                    <span className={styles.hidden}>{t('meeting.handRaised')}</span>
                  </span>
                  {hosts && <LowerHand call={call} person={person} />}
                </Row>
              ))}
            </ol>
          </Section>
        )}
        <Section title={`${t('meeting.insideList')} · ${people.length}`}>
          <ul className={styles.list}>
            {people.map((person) => (
              <PersonRow key={person.identity} call={call} person={person} />
            ))}
          </ul>
        </Section>
        {hosts && <Removed call={call} />}
      </div>
      <Foot call={call} />
    </PanelFrame>
  );
}

function Section({ title, aside, children }: { title: string; aside?: ReactNode; children: ReactNode }) {
  const id = useId();
  return (
    <section className={styles.section} aria-labelledby={id}>
      <header className={styles.head}>
        <h3 id={id}>{title}</h3>
        {aside}
      </header>
      {children}
    </section>
  );
}

interface RowProps {
  name: string;
  /** What stands there, if it is not the name alone. */
  label?: string;
  detail?: ReactNode;
  children?: ReactNode;
}

function Row({ name, label = name, detail, children }: RowProps) {
  return (
    <li className={styles.row}>
      <Avatar name={name} size={32} />
      <span className={styles.name}>
        <bdi>{label}</bdi>
        {detail}
      </span>
      {children}
    </li>
  );
}

function Waiting({ call }: { call: Call }) {
  const { t } = useI18n();
  const waiting = useStore(call.members.$waiting);
  if (waiting.length === 0) return null;
  const all = waiting.length > 1 && (
    <Button look="quiet" onClick={() => void call.hosting.admitAll()}>
      {t('meeting.admitAll')}
    </Button>
  );
  return (
    <Section title={t('meeting.waitingList')} aside={all}>
      <ul className={styles.list}>
        {waiting.map((who) => (
          <Row key={who.participant_id} name={who.display_name}>
            <Button
              aria-label={t('meeting.denyNamed', { name: who.display_name })}
              onClick={() => void call.hosting.deny(who)}
            >
              {t('meeting.deny')}
            </Button>
            <Button
              look="primary"
              aria-label={t('meeting.admitNamed', { name: who.display_name })}
              onClick={() => void call.hosting.admit(who)}
            >
              {t('meeting.admit')}
            </Button>
          </Row>
        ))}
      </ul>
    </Section>
  );
}

function LowerHand({ call, person }: { call: Call; person: Person }) {
  const { t } = useI18n();
  const { participantId: id } = person;
  if (id === null) return null;
  return (
    <Button
      aria-label={t('meeting.lowerHandOf', { name: person.name })}
      onClick={() => void call.hosting.lowerHand(id)}
    >
      {t('meeting.lower')}
    </Button>
  );
}

function PersonRow({ call, person }: { call: Call; person: Person }) {
  const { t } = useI18n();
  const hosts = useStore(call.$hosts);
  const label = person.isMe ? t('meeting.you', { name: person.name }) : person.name;
  const role =
    person.role === 'host' ? t('meeting.host') : person.role === 'co_host' ? t('meeting.coHost') : null;
  const detail = role && (
    <span className={styles.role}>
      <HostIcon size={12} aria-hidden />
      {role}
    </span>
  );
  return (
    <Row name={person.name} label={label} detail={detail}>
      {person.quality === 'poor' && <Sign icon={PoorIcon} label={t('meeting.weak')} look="warn" />}
      {person.quality === 'lost' && <Sign icon={OfflineIcon} label={t('meeting.lost')} look="warn" />}
      {person.camera.on ? (
        <Sign icon={MeetingIcon} label={t('meeting.cameraOn')} />
      ) : (
        <Sign icon={VideoOffIcon} label={t('meeting.cameraOff')} />
      )}
      {person.microphone ? (
        <Sign
          icon={MicIcon}
          label={t('meeting.microphoneOn')}
          look={person.speaking ? 'speaking' : undefined}
        />
      ) : (
        <Sign icon={MicOffIcon} label={t('meeting.muted')} look="off" />
      )}
      {hosts && !person.isMe && person.participantId !== null && (
        <HostMenu call={call} person={person} id={person.participantId} />
      )}
    </Row>
  );
}

function Sign({
  icon: Icon,
  label,
  look,
}: {
  icon: typeof MicIcon;
  label: string;
  look?: 'off' | 'warn' | 'speaking' | undefined;
}) {
  return (
    <span className={styles.sign} data-look={look} title={label}>
      <Icon size={17} aria-hidden />
      <span className={styles.hidden}>{label}</span>
    </span>
  );
}

function HostMenu({ call, person, id }: { call: Call; person: Person; id: string }) {
  const { t } = useI18n();
  const [removing, setRemoving] = useState(false);
  const isHost = useStore(call.$me)?.role === 'host';
  const { hosting } = call;
  const canName = isHost && person.role === 'participant' && person.userId !== null;
  return (
    <>
      <Menu
        trigger={
          <Button look="quiet" icon aria-label={t('meeting.moreFor', { name: person.name })}>
            <MoreIcon aria-hidden />
          </Button>
        }
      >
        {person.microphone ? (
          <MenuItem icon={<MicOffIcon aria-hidden />} onClick={() => void hosting.mute(id)}>
            {t('meeting.muteThem')}
          </MenuItem>
        ) : (
          <MenuItem icon={<MicIcon aria-hidden />} onClick={() => void hosting.askToUnmute(id)}>
            {t('meeting.askToUnmute')}
          </MenuItem>
        )}
        {canName && (
          <MenuItem icon={<HostIcon aria-hidden />} onClick={() => void hosting.makeCoHost(id)}>
            {t('meeting.makeCoHost')}
          </MenuItem>
        )}
        {isHost && person.role === 'co_host' && (
          <MenuItem icon={<HostIcon aria-hidden />} onClick={() => void hosting.revokeCoHost(id)}>
            {t('meeting.revokeCoHost')}
          </MenuItem>
        )}
        {person.role !== 'host' && (
          <>
            <MenuLine />
            <MenuItem danger icon={<RemoveIcon aria-hidden />} onClick={() => setRemoving(true)}>
              {t('meeting.remove')}
            </MenuItem>
          </>
        )}
      </Menu>
      <Dialog
        open={removing}
        onClose={() => setRemoving(false)}
        title={t('meeting.removeQuestion', { name: person.name })}
        actions={
          <>
            <Button onClick={() => setRemoving(false)}>{t('app.cancel')}</Button>
            <Button
              look="danger"
              onClick={() => {
                setRemoving(false);
                void hosting.remove(id);
              }}
            >
              {t('meeting.remove')}
            </Button>
          </>
        }
      >
        <p>{person.userId === null ? t('meeting.removeGuestText') : t('meeting.removeText')}</p>
      </Dialog>
    </>
  );
}

/** Guests come back by the link; people with an account stay out until they are let back in. */
function Removed({ call }: { call: Call }) {
  const { t } = useI18n();
  const removed = useStore(call.members.$removed).filter((who: Participant) => who.user_id !== null);
  if (removed.length === 0) return null;
  return (
    <Section title={t('meeting.removedList')}>
      <ul className={styles.list}>
        {removed.map((who) => (
          <Row key={who.participant_id} name={who.display_name}>
            <Button onClick={() => void call.hosting.readmit(who)}>{t('meeting.letBack')}</Button>
          </Row>
        ))}
      </ul>
    </Section>
  );
}

function Foot({ call }: { call: Call }) {
  const { t } = useI18n();
  const hosts = useStore(call.$hosts);
  const locked = useStore(call.hosting.$locked);
  const copy = useCopyLink(call);
  return (
    <div className={styles.foot}>
      {hosts && (
        <SwitchRow
          label={t('meeting.lock')}
          hint={t('meeting.lockHint')}
          checked={locked}
          onChange={(locked) => void call.hosting.setLocked(locked)}
        />
      )}
      <div className={styles.buttons}>
        <Button onClick={() => void copy()}>
          <LinkIcon aria-hidden />
          {t('meeting.copyInvitation')}
        </Button>
        {hosts && (
          <Button onClick={() => void call.hosting.muteAll()}>
            <MicOffIcon aria-hidden />
            {t('meeting.muteAll')}
          </Button>
        )}
      </div>
    </div>
  );
}
