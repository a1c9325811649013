import { atom, computed, type ReadableAtom } from 'nanostores';
import type { Participant } from '../../api/platform';
import type { MeetingLine } from '../../live/meeting';

type Events = MeetingLine['events'];

/** Who is in the meeting, at its door, and has their hand up, as the meeting's events tell it. */
export class Members {
  private readonly inside = atom<ReadonlyMap<string, Participant>>(new Map());
  private readonly door = atom<readonly Participant[]>([]);
  private readonly out = atom<readonly Participant[]>([]);
  /** Participant ids, whoever raised their hand first first. */
  private readonly raised = atom<readonly string[]>([]);
  private readonly met = new Set<string>();
  /** Whose place was told since the server was asked who waits and who was removed: that is newer than its answer. */
  private readonly told = new Set<string>();

  constructor(
    events: Events,
    private readonly me: string,
  ) {
    events.on('connected', ({ participants }) => this.reset(participants));
    events.on('participant_joined', (participant) => {
      this.leaveDoor(participant);
      this.backIn(participant);
      this.put(participant);
    });
    events.on('participant_updated', (participant) => this.put(participant));
    events.on('participant_left', (participant) => {
      this.leaveDoor(participant);
      this.drop(participant);
      // To the others a removal is a leaving.
      if (participant.status === 'removed') this.shutOut(participant);
    });
    events.on('participant_waiting', (participant) => this.arrive(participant));
    events.on('participant_admitted', (participant) => this.leaveDoor(participant));
    events.on('participant_denied', (participant) => this.leaveDoor(participant));
  }

  /** By participant id. */
  get $inside(): ReadableAtom<ReadonlyMap<string, Participant>> {
    return this.inside;
  }

  /** Who waits to be let in; hosts hear of it. */
  get $waiting(): ReadableAtom<readonly Participant[]> {
    return this.door;
  }

  /** Who was removed; hosts may let them back in. */
  get $removed(): ReadableAtom<readonly Participant[]> {
    return this.out;
  }

  get $hands(): ReadableAtom<readonly string[]> {
    return this.raised;
  }

  readonly $me = computed(this.inside, (inside) => inside.get(this.me) ?? null);

  /** How many people were met in all, oneself not counted; one person's devices count once. */
  get peopleMet(): number {
    return this.met.size;
  }

  /** The server is being asked who waits already, and who was removed before. */
  ask(): void {
    this.told.clear();
  }

  /** Its answer: also of who has left the door, or was let back in, while nothing was heard. */
  expect(waiting: readonly Participant[], removed: readonly Participant[]): void {
    this.door.set(this.merge(waiting, this.door.get()));
    this.out.set(this.merge(removed, this.out.get()));
  }

  backIn(participant: Participant): void {
    this.told.add(participant.participant_id);
    this.out.set(without(this.out.get(), participant));
  }

  private merge(answer: readonly Participant[], here: readonly Participant[]): readonly Participant[] {
    const isTold = ({ participant_id }: Participant) => this.told.has(participant_id);
    return [...answer.filter((participant) => !isTold(participant)), ...here.filter(isTold)];
  }

  private reset(participants: readonly Participant[]): void {
    this.inside.set(new Map(participants.map((participant) => [participant.participant_id, participant])));
    for (const participant of participants) this.meet(participant);
    const up = participants.filter((participant) => participant.hand_raised).map((p) => p.participant_id);
    // The order in which hands went up is known only of those seen going up.
    const known = this.raised.get().filter((id) => up.includes(id));
    this.raised.set([...known, ...up.filter((id) => !known.includes(id))]);
  }

  private put(participant: Participant): void {
    if (participant.status !== 'joined') return;
    const { participant_id: id } = participant;
    this.inside.set(new Map(this.inside.get()).set(id, participant));
    this.meet(participant);
    const up = this.raised.get();
    if (participant.hand_raised && !up.includes(id)) this.raised.set([...up, id]);
    if (!participant.hand_raised && up.includes(id)) this.raised.set(up.filter((other) => other !== id));
  }

  private drop({ participant_id: id }: Participant): void {
    const inside = new Map(this.inside.get());
    if (inside.delete(id)) this.inside.set(inside);
    if (this.raised.get().includes(id)) this.raised.set(this.raised.get().filter((other) => other !== id));
  }

  private shutOut(participant: Participant): void {
    this.told.add(participant.participant_id);
    this.out.set([...without(this.out.get(), participant), participant]);
  }

  private arrive(participant: Participant): void {
    this.told.add(participant.participant_id);
    this.door.set([...without(this.door.get(), participant), participant]);
  }

  private leaveDoor(participant: Participant): void {
    this.told.add(participant.participant_id);
    this.door.set(without(this.door.get(), participant));
  }

  private meet(participant: Participant): void {
    if (participant.participant_id !== this.me)
      this.met.add(participant.user_id ?? participant.participant_id);
  }
}

const without = (all: readonly Participant[], { participant_id }: Participant) =>
  all.some((other) => other.participant_id === participant_id)
    ? all.filter((other) => other.participant_id !== participant_id)
    : all;
