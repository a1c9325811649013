import { useServices } from '../app/services';
import type { Chats } from './chats';

/** The chats of the person logged in; for what is shown to a person alone. */
export function useChats(): Chats {
  const chats = useServices().chats.current;
  if (!chats) throw new Error('useChats where nobody is logged in');
  return chats;
}
