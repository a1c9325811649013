import type { Translation } from '../../message';
import type { chat as original } from '../en/chat';

export const chat: Translation<typeof original> = {
  title: '聊天',
};
