import { atom, type ReadableAtom } from 'nanostores';
import type { Api } from '../api';
import type { Profile, ProfileChange, Registration } from '../api/platform';
import { explain } from '../i18n/explain';
import type { Text } from '../i18n/i18n';

export type SessionState =
  | { status: 'nobody' }
  | { status: 'loading' }
  | { status: 'person'; profile: Profile }
  /** There are tokens, but who they are of could not be read. */
  | { status: 'failed'; problem: Text };

/** Where tokens are somebody whose profile is still to be read. */
const UNKNOWN = new Set<SessionState['status']>(['nobody', 'failed']);

/** Who uses the app. Log-in and log-out in another tab count here too, also where this one did not see both. */
export class Session {
  private readonly $state = atom<SessionState>({ status: 'nobody' });
  /** Whose profile is shown, or is being read. */
  private account: string | null = null;

  constructor(private readonly api: Pick<Api, 'platform' | 'tokens'>) {
    api.tokens.current.subscribe((tokens) => {
      const { account } = api.tokens;
      const changed = account !== this.account;
      this.account = account;
      if (!tokens) this.$state.set({ status: 'nobody' });
      else if (changed || UNKNOWN.has(this.$state.get().status)) void this.load();
    });
  }

  get state(): ReadableAtom<SessionState> {
    return this.$state;
  }

  /** The person logged in, or `null`. */
  get profile(): Profile | null {
    const state = this.$state.get();
    return state.status === 'person' ? state.profile : null;
  }

  async load(): Promise<void> {
    const { account } = this;
    this.$state.set({ status: 'loading' });
    try {
      const profile = await this.api.platform.profile();
      if (this.isStill(account)) this.$state.set({ status: 'person', profile });
    } catch (error) {
      // With a 401 the tokens are gone, and the state with them.
      if (this.isStill(account)) this.$state.set({ status: 'failed', problem: explain(error) });
    }
  }

  async logIn(emailOrPhone: string, password: string): Promise<void> {
    this.api.tokens.set(await this.api.platform.logIn(emailOrPhone, password));
  }

  async register(person: Registration): Promise<void> {
    await this.api.platform.register(person);
  }

  async update(change: ProfileChange): Promise<void> {
    await this.api.platform.updateProfile(change);
    await this.refresh();
  }

  /** Reads the profile again, and stays as it is while that takes. */
  async refresh(): Promise<void> {
    const { account } = this;
    const profile = await this.api.platform.profile();
    if (this.isStill(account)) this.$state.set({ status: 'person', profile });
  }

  /** The account is gone then, and so is everybody's session in it. */
  async deleteAccount(): Promise<void> {
    const { account } = this;
    await this.api.platform.deleteAccount();
    this.end(account);
  }

  /** On this device at once; on all others as soon as the server hears of it. */
  async logOut(): Promise<void> {
    const { account } = this;
    try {
      await this.api.platform.logOut();
    } finally {
      this.end(account);
    }
  }

  /** Whoever has logged in meanwhile stays. */
  private end(account: string | null): void {
    if (this.isStill(account)) this.api.tokens.set(null);
  }

  /** Whether somebody is logged in, and still who it was. */
  private isStill(account: string | null): boolean {
    return this.api.tokens.current.get() !== null && account === this.account;
  }
}
