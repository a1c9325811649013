import { atom, computed, type ReadableAtom } from 'nanostores';
import type { Picture } from './media';
import type { Person } from './people';
import type { Scene } from './stage';

/** The most important picture in a small window over all others; follows the stage. */
export class PictureInPicture {
  /** Whether the browser can. */
  readonly possible = globalThis.document?.pictureInPictureEnabled === true;
  private readonly on = atom(false);
  private readonly $picture: ReadableAtom<Picture | null>;
  private readonly end: () => void;
  private video: HTMLVideoElement | null = null;
  private detach = () => {};

  constructor(
    $people: ReadableAtom<readonly Person[]>,
    $scene: ReadableAtom<Scene>,
    $speaker: ReadableAtom<string | null>,
  ) {
    this.$picture = computed([$people, $scene, $speaker], pictureToFollow);
    // Nobody's camera is on: the last picture is better than none.
    this.end = this.$picture.subscribe((picture) => picture && this.on.get() && this.show(picture));
  }

  get $on(): ReadableAtom<boolean> {
    return this.on;
  }

  /** Whether there is anything to show. */
  get $picturePresent(): ReadableAtom<boolean> {
    return computed(this.$picture, (picture) => picture !== null);
  }

  async toggle(): Promise<void> {
    if (this.on.get()) return void (await document.exitPictureInPicture());
    const picture = this.$picture.get();
    if (!picture) return;
    this.video = document.createElement('video');
    this.video.muted = true;
    this.video.addEventListener('leavepictureinpicture', () => this.close());
    this.show(picture);
    await new Promise((resolve) => this.video?.addEventListener('loadedmetadata', resolve, { once: true }));
    await this.video.requestPictureInPicture();
    this.on.set(true);
  }

  dispose(): void {
    this.end();
    if (this.on.get()) void document.exitPictureInPicture().catch(() => {});
    this.close();
  }

  private show(picture: Picture): void {
    if (!this.video) return;
    this.detach();
    this.detach = picture.attach(this.video);
    void this.video.play().catch(() => {});
  }

  private close(): void {
    this.detach();
    this.detach = () => {};
    this.video = null;
    this.on.set(false);
  }
}

/** The main tile's picture, else the speaker's, else anybody's; oneself last. */
export function pictureToFollow(
  people: readonly Person[],
  scene: Scene,
  speaker: string | null,
): Picture | null {
  const known = new Map(people.map((person) => [person.identity, person]));
  const main = scene.tiles.find(({ kind }) => kind === 'main')?.tile;
  const others = people.filter((person) => !person.isMe);
  const me = people.filter((person) => person.isMe);
  return (
    (main && known.get(main.identity)?.[main.source].picture) ??
    (speaker !== null ? known.get(speaker)?.camera.picture : null) ??
    [...others, ...me].find((person) => person.camera.picture)?.camera.picture ??
    null
  );
}
