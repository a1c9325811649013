import { atom, type MapStore, map, type ReadableAtom } from 'nanostores';
import { ApiError } from '../api/errors';
import { explain } from '../i18n/explain';
import type { Text } from '../i18n/i18n';

/** What is wrong with which field. */
export type Problems<F> = Partial<Record<keyof F, Text>>;

export interface FormOptions<F> {
  initial: F;
  /** The rules that are checked before anything is sent. */
  check: (fields: F) => Problems<F>;
  /** Which field a refusal is about, and what to say of it; `null`: it is about the form as a whole. */
  refused?: (error: ApiError) => Problems<F> | null;
}

/** A form's state: its fields, what is wrong with them, and whether it is being sent. */
export class Form<F extends object> {
  readonly $fields: MapStore<F>;
  private readonly problems = atom<Problems<F>>({});
  private readonly failure = atom<Text | null>(null);
  private readonly busy = atom(false);

  constructor(private readonly options: FormOptions<F>) {
    this.$fields = map<F>({ ...options.initial });
  }

  get $problems(): ReadableAtom<Problems<F>> {
    return this.problems;
  }

  /** What is wrong with the form as a whole. */
  get $failure(): ReadableAtom<Text | null> {
    return this.failure;
  }

  get $busy(): ReadableAtom<boolean> {
    return this.busy;
  }

  set<K extends keyof F>(name: K, value: F[K]): void {
    this.$fields.set({ ...this.$fields.get(), [name]: value });
    const { [name]: _, ...others } = this.problems.get();
    this.problems.set(others as Problems<F>);
  }

  /** Checks, then acts. Answers whether it was done; what went wrong is in the form then. */
  async submit(act: (fields: F) => Promise<void>): Promise<boolean> {
    if (this.busy.get()) return false;
    const fields = this.$fields.get();
    const problems = this.options.check(fields);
    this.problems.set(problems);
    this.failure.set(null);
    if (Object.keys(problems).length > 0) return false;
    this.busy.set(true);
    try {
      await act(fields);
      return true;
    } catch (error) {
      const about = error instanceof ApiError ? (this.options.refused?.(error) ?? null) : null;
      if (about) this.problems.set(about);
      else this.failure.set(explain(error));
      return false;
    } finally {
      this.busy.set(false);
    }
  }
}
