import type { Translation } from '../../message';
import type { meeting as original } from '../en/meeting';

export const meeting: Translation<typeof original> = {
  title: '会议',
};
