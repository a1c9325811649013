import type { Translation } from '../../message';
import type { settings as original } from '../en/settings';

export const settings: Translation<typeof original> = {
  title: 'Einstellungen',
  profile: 'Profil',
  displayName: 'Name, den andere sehen',
  saved: 'Gespeichert',
  devices: 'Wenn ich einem Meeting beitrete',
  camera: 'Kamera an',
  microphone: 'Mikrofon an',
};
