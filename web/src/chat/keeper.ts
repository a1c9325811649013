import type { Session } from '../session/session';
import { Chats } from './chats';

/** The chats of whoever is logged in: begun when they are first asked for, let go when the session ends or is another's. */
export class ChatKeeper {
  private chats: Chats | null = null;

  constructor(private readonly services: ConstructorParameters<typeof Chats>[0] & { session: Session }) {
    services.session.state.listen(({ status }) => {
      if (status !== 'person') this.end();
    });
  }

  /** `null`: nobody is logged in. */
  get current(): Chats | null {
    const person = this.services.session.profile;
    if (person && this.chats?.me !== person.id) {
      this.end();
      this.chats = new Chats(this.services, person.id);
    }
    return person && this.chats;
  }

  private end(): void {
    this.chats?.dispose();
    this.chats = null;
  }
}
