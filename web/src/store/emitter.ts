/** Events by name, each with its data. */
export class Emitter<Events extends object> {
  private readonly listeners = new Map<keyof Events, Set<(data: never) => void>>();

  /** Calls `listener` from now on; the answer ends it. */
  on<K extends keyof Events>(name: K, listener: (data: Events[K]) => void): () => void {
    const all = this.listeners.get(name) ?? new Set();
    this.listeners.set(name, all.add(listener));
    return () => all.delete(listener);
  }

  emit<K extends keyof Events>(name: K, data: Events[K]): void {
    for (const listener of [...(this.listeners.get(name) ?? [])])
      (listener as (data: Events[K]) => void)(data);
  }
}
