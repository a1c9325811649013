// Participants with @livekit/rtc-node.
import {
  AudioFrame,
  AudioSource,
  AudioStream,
  dispose,
  LocalAudioTrack,
  LocalVideoTrack,
  Room,
  RoomEvent,
  TrackKind,
  TrackPublishOptions,
  TrackSource,
  VideoBufferType,
  VideoCodec,
  VideoFrame,
  VideoSource,
  VideoStream,
} from "@livekit/rtc-node";
import { Participant } from "./participant.mjs";
import { paint, pitch, RATE, read, TONE_SAMPLES } from "./signals.mjs";
import { serve } from "./stdio.mjs";

const SOURCES = {
  camera: TrackSource.SOURCE_CAMERA,
  microphone: TrackSource.SOURCE_MICROPHONE,
  screen_share: TrackSource.SOURCE_SCREENSHARE,
  screen_share_audio: TrackSource.SOURCE_SCREENSHARE_AUDIO,
};
// As in livekit-ffi's room.proto; the package does not export the enum.
const SCENARIOS = { resume: 0, node_failure: 2, server_leave: 3, migration: 4, force_tcp: 5, force_tls: 6 };
Object.assign(SCENARIOS, { full_reconnect: 7, disconnect_signal_on_resume: 8 });

const named = (names, value) => Object.keys(names).find((name) => names[name] === value) ?? "unknown";

class NodeParticipant extends Participant {
  room = new Room();
  samples = {};
  readers = new Map();
  running = new Map();

  async connect({ url, token, single, key, ...options }) {
    const note = (event) => (value) => this.events.push(value === undefined ? [event] : [event, value]);
    this.room.on(RoomEvent.Reconnecting, note("reconnecting"));
    this.room.on(RoomEvent.Reconnected, note("reconnected"));
    this.room.on(RoomEvent.Disconnected, note("disconnected"));
    this.room.on(RoomEvent.DataReceived, (payload, from, kind, topic) =>
      this.events.push(["data", from?.identity ?? "", Buffer.from(payload).toString(), topic ?? ""]),
    );
    const noteTrack = (event) => (publication, { identity }) =>
      this.events.push([event, `${identity}/${named(SOURCES, publication.source)}`]);
    this.room.on(RoomEvent.TrackMuted, noteTrack("muted"));
    this.room.on(RoomEvent.TrackUnmuted, noteTrack("unmuted"));
    this.room.on(RoomEvent.TrackUnpublished, noteTrack("unpublished"));
    this.room.on(RoomEvent.TrackSubscribed, (track, { source }, { identity }) =>
      this.#watch(track, `${identity}/${named(SOURCES, source)}`),
    );
    this.room.on(RoomEvent.TrackUnsubscribed, ({ sid }) => this.readers.get(sid)?.cancel());
    this.room.registerTextStreamHandler("lk.chat", async (reader, { identity }) =>
      this.events.push(["chat", identity, await reader.readAll()]),
    );
    const encryption = key && { keyProviderOptions: { sharedKey: new TextEncoder().encode(key) } };
    await this.room.connect(url, token, {
      autoSubscribe: true,
      ...options,
      ...(encryption && { encryption }),
      ...(single !== undefined && { singlePeerConnection: single }),
    });
    this.room.localParticipant.registerRpcMethod("shout", async ({ payload }) => payload.toUpperCase());
  }

  async #watch(track, name) {
    const isVideo = track.kind === TrackKind.KIND_VIDEO;
    const reader = (isVideo ? new VideoStream(track) : new AudioStream(track, RATE, 1)).getReader();
    this.readers.set(track.sid, reader);
    const take = isVideo ? ({ frame }) => this.#look(name, frame) : ({ data }) => this.#listen(name, data);
    for (let next = await reader.read(); !next.done; next = await reader.read()) take(next.value);
  }

  #look(name, frame) {
    const { data, width, height } = frame.convert(VideoBufferType.RGBA);
    const pixel = (x, y) => {
      const at = 4 * (Math.floor(y * height) * width + Math.floor(x * width));
      return [...data.subarray(at, at + 3)];
    };
    this.album.add(name, [...read(pixel), width, height]);
  }

  #listen(name, data) {
    const heard = (this.samples[name] ??= []);
    for (const sample of data) heard.push(sample / 32_768);
    heard.splice(0, Math.max(0, heard.length - TONE_SAMPLES));
  }

  async publish_pattern({ colour, source = "camera", codec = "vp8", width = 320, height = 180, fps = 10, simulcast = false }) {
    const origin = new VideoSource(width, height);
    const options = new TrackPublishOptions({
      source: SOURCES[source],
      videoCodec: VideoCodec[codec.toUpperCase()],
      simulcast,
    });
    const track = LocalVideoTrack.createVideoTrack(source, origin);
    let count = 0;
    const data = new Uint8Array(width * height * 4).fill(255);
    const fill = (x, y, w, h, rgb) => {
      for (let line = y; line < y + h; line++)
        for (let at = 4 * (line * width + x); at < 4 * (line * width + x + w); at += 4) data.set(rgb, at);
    };
    const timer = setInterval(() => {
      paint(fill, width, height, count++ % 256, colour);
      origin.captureFrame(new VideoFrame(data, width, height, VideoBufferType.RGBA));
    }, 1000 / fps);
    return this.#publish(track, options, () => clearInterval(timer));
  }

  async publish_tone({ hz }) {
    const origin = new AudioSource(RATE, 1);
    const track = LocalAudioTrack.createAudioTrack("tone", origin);
    const data = Int16Array.from({ length: TONE_SAMPLES }, (_, n) => 10_000 * Math.sin((2 * Math.PI * hz * n) / RATE));
    let running = true;
    const play = async () => {
      while (running) await origin.captureFrame(new AudioFrame(data, RATE, 1, TONE_SAMPLES));
    };
    play().catch(() => {});
    const options = new TrackPublishOptions({ source: TrackSource.SOURCE_MICROPHONE });
    return this.#publish(track, options, () => (running = false));
  }

  async #publish(track, options, stop) {
    const { sid } = await this.room.localParticipant.publishTrack(track, options);
    this.running.set(sid, stop);
    return sid;
  }

  async unpublish({ sid }) {
    this.running.get(sid)();
    await this.room.localParticipant.unpublishTrack(sid);
  }

  send({ text, topic = "", reliable = true }) {
    return this.room.localParticipant.publishData(new TextEncoder().encode(text), { reliable, topic });
  }

  async chat({ text }) {
    await this.room.localParticipant.sendText(text, { topic: "lk.chat" });
  }

  simulate({ scenario }) {
    return this.room.simulateScenario(SCENARIOS[scenario]);
  }

  tones() {
    const whole = Object.entries(this.samples).filter(([, samples]) => samples.length === TONE_SAMPLES);
    return Object.fromEntries(whole.map(([name, samples]) => [name, pitch(samples)]));
  }

  forget() {
    this.album.forget();
    this.samples = {};
  }

  async close() {
    for (const stop of this.running.values()) stop();
    await this.room.disconnect();
  }
}

const participants = new Map();
await serve((who, name, args) => {
  if (!participants.has(who)) participants.set(who, new NodeParticipant());
  return participants.get(who)[name](args);
});
await dispose();
process.exit(0);
