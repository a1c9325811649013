import { stored } from '../store/stored';
import { ChatroomsApi } from './chatrooms';
import { ConversationsApi } from './conversations';
import { GuestApi } from './guest';
import { Http } from './http';
import { PlatformApi } from './platform';
import { parseTokens, TokenKeeper, type Tokens } from './tokens';

export { ApiError, type ErrorCode } from './errors';

/** The public APIs, and the tokens that speak for the person logged in. */
export interface Api {
  platform: PlatformApi;
  guest: GuestApi;
  conversations: ConversationsApi;
  chatrooms: ChatroomsApi;
  tokens: TokenKeeper;
}

export function createApi(): Api {
  const $tokens = stored<Tokens | null>('convo.session', null, parseTokens);
  const tokens: TokenKeeper = new TokenKeeper($tokens, (...asked) => platform.refresh(...asked));
  const http = new Http(tokens);
  const platform = new PlatformApi(http);
  return {
    platform,
    guest: new GuestApi(http),
    conversations: new ConversationsApi(http),
    chatrooms: new ChatroomsApi(http),
    tokens,
  };
}
