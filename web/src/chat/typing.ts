/** While somebody types, the others are told this often, in milliseconds. */
const EVERY = 3_000;
/** Who has not touched a key for so long has stopped, in milliseconds. */
const PAUSE = 5_000;

/** Tells the others that this person types, and that they stopped: seldom, whatever the fingers do. */
export class TypingNotice {
  private toldAt: number | null = null;
  private pause: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly tell: (typing: boolean) => void,
    private readonly now: () => number = Date.now,
  ) {}

  /** `some`: there is something in the field. */
  typed(some: boolean): void {
    clearTimeout(this.pause);
    if (!some) {
      this.stop();
      return;
    }
    this.pause = setTimeout(() => this.stop(), PAUSE);
    if (this.toldAt !== null && this.now() - this.toldAt < EVERY) return;
    this.toldAt = this.now();
    this.tell(true);
  }

  stop(): void {
    clearTimeout(this.pause);
    if (this.toldAt === null) return;
    this.toldAt = null;
    this.tell(false);
  }
}
