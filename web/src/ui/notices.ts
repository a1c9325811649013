import { Toast } from '@base-ui/react/toast';
import type { Text } from '../i18n/i18n';

/** How long a notice stays, in milliseconds; the timer waits while one looks or points at it. */
const STAYS = 6_000;

/** Passing words to the person: "Copied". Shown by `ui/Toasts`, and read out by screen readers. */
export class Notices {
  readonly manager = Toast.createToastManager<{ text: Text }>();

  say(text: Text): void {
    this.manager.add({ data: { text }, timeout: STAYS });
  }

  /** Read out at once, whatever else is being read. */
  warn(text: Text): void {
    this.manager.add({ data: { text }, timeout: STAYS, type: 'warning', priority: 'high' });
  }
}
