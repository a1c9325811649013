/** How often the level is read, in milliseconds. */
const EVERY = 60;

/** After which of the person's acts a page may make sound: with less, some browsers stop what listens, too. */
const ACTS = ['pointerup', 'keydown'] as const;

/** Tells how loud a microphone is, from 0 to 1, until the answer is called; from the person's first act where it must. */
export function meter(stream: MediaStream, hear: (level: number) => void): () => void {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 512;
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const wake = () => {
    if (context.state !== 'running') void context.resume();
  };
  for (const act of ACTS) addEventListener(act, wake);
  const timer = setInterval(() => {
    if (context.state !== 'running') return;
    analyser.getFloatTimeDomainData(samples);
    hear(loudness(samples));
  }, EVERY);
  return () => {
    clearInterval(timer);
    for (const act of ACTS) removeEventListener(act, wake);
    void context.close();
  };
}

/** The range of speech, from -55 dB to -10 dB below full scale, as 0 to 1. */
export function loudness(samples: Float32Array): number {
  const square = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
  const decibels = 10 * Math.log10(square + 1e-10);
  return Math.min(1, Math.max(0, (decibels + 55) / 45));
}

/** Notes of the chime, in hertz. */
const CHIME = [523.25, 659.25, 783.99];
const NOTE = 0.22;

/** Plays three notes on the speaker; resolves when they are over. */
export async function chime(speaker: string | null): Promise<void> {
  const context = new AudioContext();
  const target = context.createMediaStreamDestination();
  for (const [index, frequency] of CHIME.entries()) {
    const at = context.currentTime + 0.05 + index * NOTE;
    const tone = new OscillatorNode(context, { frequency });
    const volume = new GainNode(context, { gain: 0 });
    volume.gain.setValueAtTime(0, at);
    volume.gain.linearRampToValueAtTime(0.25, at + 0.02);
    volume.gain.exponentialRampToValueAtTime(0.001, at + NOTE * 1.8);
    tone.connect(volume).connect(target);
    tone.start(at);
    tone.stop(at + NOTE * 2);
  }
  const audio = new Audio();
  audio.srcObject = target.stream;
  try {
    if (speaker && 'setSinkId' in audio) await audio.setSinkId(speaker);
    await audio.play();
    await new Promise((resolve) => setTimeout(resolve, (CHIME.length + 1.5) * NOTE * 1000));
  } finally {
    audio.pause();
    await context.close();
  }
}
