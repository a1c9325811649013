import { expect, test, vi } from 'vitest';
import { Devices, type MediaDevicesLike } from './devices';
import { Mirror } from './mirror';

/** A mirror before a camera that can blur; the test says when it has done so. */
function before() {
  let done = (_problem?: Error): void => {};
  const track = {
    stop: vi.fn(),
    onended: null,
    getCapabilities: () => ({ backgroundBlur: [true, false] }),
    applyConstraints: () =>
      new Promise<void>((resolve, reject) => (done = (problem) => (problem ? reject(problem) : resolve()))),
  };
  const stream = { getTracks: () => [track], getVideoTracks: () => [track] };
  const browser = {
    addEventListener: () => {},
    removeEventListener: () => {},
    enumerateDevices: async () => [],
    getUserMedia: async () => stream,
  };
  const mirror = new Mirror(new Devices(browser as unknown as MediaDevicesLike));
  const settle = () => new Promise((resolve) => setTimeout(resolve));
  return { mirror, track, settle, blurred: (problem?: Error) => done(problem) };
}

test.each([
  ['the page goes away', (mirror: Mirror) => mirror.dispose()],
  ['the meeting takes it', (mirror: Mirror) => mirror.rest()],
  ['it is turned off', (mirror: Mirror) => void mirror.set('camera', false)],
])('a camera that is about to blur is let go when %s', async (_, act) => {
  const { mirror, track, settle, blurred } = before();
  const opened = mirror.set('camera', true);
  await settle();
  act(mirror);
  blurred();
  await opened;
  expect(track.stop).toHaveBeenCalledTimes(1);
  expect(mirror.$camera.get()).toEqual({ status: 'off' });
});

test('a camera that cannot blur after all is seen as it is', async () => {
  const { mirror, settle, blurred } = before();
  const opened = mirror.set('camera', true);
  await settle();
  blurred(new Error('overconstrained'));
  await opened;
  expect(mirror.$camera.get().status).toBe('on');
  mirror.dispose();
});
