import type { Translation } from '../../message';
import type { schedule as original } from '../en/schedule';

export const schedule: Translation<typeof original> = {
  title: 'Meeting planen',
  name: 'Titel',
  description: 'Beschreibung (optional)',
  date: 'Datum',
  start: 'Beginn',
  duration: 'Dauer',
  minutes: { one: '{count} Minute', other: '{count} Minuten' },
  timeZone: 'Zeitzone',
  settings: 'Optionen',
  waitingRoom: 'Warteraum',
  waitingRoomText: 'Du lässt jede Person einzeln ein.',
  passcode: 'Kenncode',
  passcodeText: 'Zum Link braucht man sechs Ziffern.',
  beforeHost: 'Vor mir beitreten',
  beforeHostText: 'Andere dürfen ohne dich beginnen.',
  recording: 'Aufzeichnung erlaubt',
  recordingText: 'Alle sehen, wenn aufgezeichnet wird.',
  screenShare: 'Alle dürfen ihren Bildschirm teilen',
  create: 'Planen',
  past: 'Diese Zeit ist schon vorbei.',
  done: '{title} ist geplant.',
};
