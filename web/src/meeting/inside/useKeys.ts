import { useEffect, useEffectEvent } from 'react';
import type { Call } from './call';
import { $shortcutsOn, isPushToTalk, type ShortcutName, shortcutOf } from './shortcuts';

/** Single keys for what is done often, and the space bar to talk while it is held. */
export function useKeys(call: Call, help: () => void): void {
  const act = useEffectEvent((name: ShortcutName) => {
    const acts: Record<ShortcutName, () => void> = {
      microphone: () => call.toggleMicrophone(),
      camera: () => call.toggleCamera(),
      screen: () => call.toggleScreen(),
      hand: () => call.toggleHand(),
      chat: () => call.togglePanel('chat'),
      people: () => call.togglePanel('people'),
      layout: () => call.nextLayout(),
      pip: () => void call.pip.toggle(),
      previous: () => call.stage.turn(-1),
      next: () => call.stage.turn(1),
      help,
    };
    acts[name]();
  });
  useEffect(() => {
    let talking = false;
    const down = (event: KeyboardEvent) => {
      if (!$shortcutsOn.get()) return;
      if (isPushToTalk(event)) {
        event.preventDefault();
        if (!event.repeat && !call.$microphone.get()) {
          talking = true;
          call.setMicrophone(true);
        }
        return;
      }
      const name = shortcutOf(event);
      if (!name) return;
      event.preventDefault();
      act(name);
    };
    const stop = () => {
      if (!talking) return;
      talking = false;
      call.setMicrophone(false);
    };
    const up = (event: KeyboardEvent) => event.code === 'Space' && stop();
    addEventListener('keydown', down);
    addEventListener('keyup', up);
    // The key may come up in another window.
    addEventListener('blur', stop);
    return () => {
      removeEventListener('keydown', down);
      removeEventListener('keyup', up);
      removeEventListener('blur', stop);
    };
  }, [call]);
}
