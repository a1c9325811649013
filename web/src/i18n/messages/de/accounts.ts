import type { Translation } from '../../message';
import type { accounts as original } from '../en/accounts';

export const accounts: Translation<typeof original> = {
  welcomeTitle: 'Treffen und reden, auf dem eigenen Server',
  welcomeText: 'Videomeetings und Chat an einem Ort. Ohne Zeitlimit, und Gäste brauchen nur einen Link.',
  logInTitle: 'Anmelden',
  emailOrPhone: 'E-Mail oder Telefonnummer',
  password: 'Passwort',
  showPassword: 'Passwort zeigen',
  firstName: 'Vorname',
  lastName: 'Nachname',
  passwordRule: 'Mindestens 8 Zeichen, mit Großbuchstabe, Kleinbuchstabe und Ziffer.',
  noAccount: 'Neu hier?',
  haveAccount: 'Schon ein Konto?',
  required: 'Bitte ausfüllen.',
  contactShape: 'Gib eine E-Mail-Adresse an oder eine Telefonnummer mit Landesvorwahl, etwa +49 30 1234567.',
  passwordWeak: 'Das Passwort braucht 8 Zeichen, Groß- und Kleinbuchstaben und eine Ziffer.',
  verifyTitle: 'Noch ein Schritt',
  verifyText: 'Wir haben einen Code an {address} geschickt. Gib ihn hier ein.',
  code: 'Bestätigungscode',
  verify: 'Bestätigen',
  codeWrong: 'Dieser Code ist falsch oder abgelaufen.',
  resend: 'Code erneut senden',
  resent: 'Ein neuer Code ist unterwegs.',
};
