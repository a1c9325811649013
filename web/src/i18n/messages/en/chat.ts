import type { Area } from '../../message';

export const chat = {
  title: 'Chat',
} as const satisfies Area;
