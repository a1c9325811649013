import type { Translation } from '../../message';
import type { error as original } from '../en/error';

export const error: Translation<typeof original> = {
  network: 'Keine Verbindung zum Server. Prüfe dein Netz und versuche es erneut.',
  busy: 'Der Server ist gerade beschäftigt. Versuche es gleich noch einmal.',
  tooMany: 'Zu viele Versuche. Warte ein wenig und versuche es dann erneut.',
  tooManySeconds: {
    one: 'Zu viele Versuche. Versuche es in {count} Sekunde erneut.',
    other: 'Zu viele Versuche. Versuche es in {count} Sekunden erneut.',
  },
  session: 'Du wurdest abgemeldet. Melde dich an, um weiterzumachen.',
  forbidden: 'Das darfst du nicht.',
  notFound: 'Das gibt es nicht oder nicht mehr.',
  meetingNotFound: 'Es gibt kein Meeting mit diesem Code.',
  meetingEnded: 'Dieses Meeting ist beendet.',
  meetingNotStarted: 'Der Gastgeber hat dieses Meeting noch nicht begonnen.',
  meetingFull: 'Dieses Meeting ist voll.',
  meetingLocked: 'Der Gastgeber hat dieses Meeting abgeschlossen.',
  passcode: 'Der Kenncode stimmt nicht.',
  credentials: 'E-Mail, Telefonnummer oder Passwort stimmt nicht.',
  notVerified: 'Dieses Konto ist noch nicht bestätigt.',
  deactivated: 'Dieses Konto wurde deaktiviert.',
  taken: 'Mit dieser Adresse gibt es schon ein Konto.',
  invalid: 'Der Server hat das nicht angenommen: {detail}',
  unknown: 'Das hat nicht geklappt. Versuche es noch einmal.',
};
