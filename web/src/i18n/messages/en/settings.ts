import type { Area } from '../../message';

export const settings = {
  title: 'Settings',
  profile: 'Profile',
  displayName: 'Name that others see',
  saved: 'Saved',
  devices: 'When I join a meeting',
  camera: 'Camera on',
  microphone: 'Microphone on',
} as const satisfies Area;
