import type { Area } from '../../message';

export const meeting = {
  title: 'Meeting',
} as const satisfies Area;
