import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { loudness, meter } from './sound';

const sine = (amplitude: number) =>
  Float32Array.from({ length: 512 }, (_, index) => amplitude * Math.sin((index * Math.PI) / 16));

test('silence is nothing, a shout is all, speech is between', () => {
  expect(loudness(new Float32Array(512))).toBe(0);
  expect(loudness(sine(1))).toBe(1);
  expect(loudness(sine(0.05))).toBeGreaterThan(0.4);
  expect(loudness(sine(0.05))).toBeLessThan(0.8);
});

describe('a browser that listens only once the person did something', () => {
  const resume = vi.fn();
  let [page, state] = [new EventTarget(), 'suspended'];
  beforeEach(() => {
    vi.useFakeTimers();
    [page, state] = [new EventTarget(), 'suspended'];
    resume.mockReset();
    vi.stubGlobal('addEventListener', page.addEventListener.bind(page));
    vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page));
    const analyser = { fftSize: 0, getFloatTimeDomainData: (samples: Float32Array) => samples.fill(1) };
    vi.stubGlobal(
      'AudioContext',
      class {
        readonly createAnalyser = () => analyser;
        readonly createMediaStreamSource = () => ({ connect: () => {} });
        readonly close = async () => {};
        readonly resume = resume.mockImplementation(() => (state = 'running'));
        get state() {
          return state;
        }
      },
    );
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  test.each(['pointerup', 'keydown'])('does so after %s, and tells nothing before', (act) => {
    const hear = vi.fn();
    const stop = meter({} as MediaStream, hear);
    vi.advanceTimersByTime(1000);
    expect([hear.mock.calls, resume.mock.calls.length]).toEqual([[], 0]);
    page.dispatchEvent(new Event(act));
    vi.advanceTimersByTime(60);
    expect(hear).toHaveBeenCalledWith(1);
    page.dispatchEvent(new Event(act));
    stop();
    state = 'closed';
    page.dispatchEvent(new Event(act));
    expect(resume).toHaveBeenCalledTimes(1);
  });
});
