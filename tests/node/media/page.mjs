// A participant with livekit-client: the page that pages.mjs opens, which calls `window.participant`.
import { ExternalE2EEKeyProvider, Room, RoomEvent, Track, VideoQuality } from "livekit-client";
import { Participant } from "./participant.mjs";
import { paint, pitch, RATE, read, TONE_SAMPLES } from "./signals.mjs";

const WORKER = "/node_modules/livekit-client/dist/livekit-client.e2ee.worker.mjs";
// What the SDK calls otherwise.
const SCENARIOS = { resume: "signal-reconnect", full_reconnect: "leave-full-reconnect" };
const EIGHTS = 8;
/** A picture is read from a small copy, in which each of its squares is eight pixels wide and high. */
const [COPY_WIDTH, COPY_HEIGHT] = [8 * EIGHTS, 2 * EIGHTS];

class BrowserParticipant extends Participant {
  videos = {};
  analysers = {};
  publications = {};
  audio = new AudioContext({ sampleRate: RATE });

  async connect({ url, token, single = true, key, ...options }) {
    const worker = key && new Worker(WORKER, { type: "module" });
    const keyProvider = new ExternalE2EEKeyProvider();
    this.room = new Room({
      singlePeerConnection: single,
      ...options,
      ...(key && { encryption: { keyProvider, worker } }),
    });
    const note = (event) => (value) => this.events.push(value === undefined ? [event] : [event, value]);
    this.room
      .on(RoomEvent.SignalReconnecting, note("reconnecting"))
      .on(RoomEvent.Reconnecting, note("reconnecting"))
      .on(RoomEvent.Reconnected, note("reconnected"))
      .on(RoomEvent.Disconnected, note("disconnected"))
      .on(RoomEvent.ActiveSpeakersChanged, (speakers) =>
        this.events.push(["speakers", speakers.map(({ identity }) => identity)]),
      )
      .on(RoomEvent.TrackMuted, ({ source }, { identity }) => this.events.push(["muted", `${identity}/${source}`]))
      .on(RoomEvent.TrackUnmuted, ({ source }, { identity }) => this.events.push(["unmuted", `${identity}/${source}`]))
      .on(RoomEvent.TrackUnpublished, ({ source }, { identity }) => this.events.push(["unpublished", `${identity}/${source}`]))
      .on(RoomEvent.TrackStreamStateChanged, (publication, state) =>
        this.events.push(["stream_state", publication.source, state]),
      )
      .on(RoomEvent.DataReceived, (payload, from, _kind, topic) =>
        this.events.push(["data", from?.identity ?? "", new TextDecoder().decode(payload), topic ?? ""]),
      )
      .on(RoomEvent.TrackSubscribed, (track, _publication, from) => this.#watch(track, `${from.identity}/${track.source}`))
      .on(RoomEvent.TrackUnsubscribed, (track) => track.detach().forEach((element) => element.remove()));
    this.room.registerTextStreamHandler("lk.chat", async (reader, { identity }) =>
      this.events.push(["chat", identity, await reader.readAll()]),
    );
    this.room.registerRpcMethod("shout", async ({ payload }) => payload.toUpperCase());
    if (key) {
      await keyProvider.setKey(key);
      await this.room.setE2EEEnabled(true);
    }
    await this.room.connect(url, token);
  }

  #watch(track, name) {
    const element = track.attach();
    document.body.append(element);
    if (track.kind === Track.Kind.Audio) {
      const analyser = new AnalyserNode(this.audio, { fftSize: 8192 });
      this.audio.createMediaStreamSource(new MediaStream([track.mediaStreamTrack])).connect(analyser);
      this.analysers[name] = analyser;
      return;
    }
    this.videos[name] = element;
    const copy = new OffscreenCanvas(COPY_WIDTH, COPY_HEIGHT).getContext("2d", { willReadFrequently: true });
    const look = () => {
      copy.drawImage(element, 0, 0, COPY_WIDTH, COPY_HEIGHT);
      const { data } = copy.getImageData(0, 0, COPY_WIDTH, COPY_HEIGHT);
      const pixel = (x, y) => {
        const at = 4 * (Math.floor(y * COPY_HEIGHT) * COPY_WIDTH + Math.floor(x * COPY_WIDTH));
        return [...data.subarray(at, at + 3)];
      };
      this.album.add(name, [...read(pixel), element.videoWidth, element.videoHeight]);
      element.requestVideoFrameCallback(look);
    };
    element.requestVideoFrameCallback(look);
  }

  publish_pattern({ colour, source = "camera", codec = "vp8", width = 320, height = 180, fps = 10, ...options }) {
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width, height });
    const brush = canvas.getContext("2d");
    const fill = (x, y, w, h, rgb) => {
      brush.fillStyle = `rgb(${rgb})`;
      brush.fillRect(x, y, w, h);
    };
    const { track, write } = film(canvas);
    let count = 0;
    const timer = setInterval(async () => {
      paint(fill, width, height, count++ % 256, colour);
      if (!(await write())) clearInterval(timer);
    }, 1000 / fps);
    return this.#publish(track, {
      source,
      videoCodec: codec,
      simulcast: false,
      backupCodec: false,
      // Or a busy machine's encoder makes the picture small by itself.
      degradationPreference: "maintain-resolution",
      ...options,
    });
  }

  publish_tone({ hz, ...options }) {
    const tone = new OscillatorNode(this.audio, { frequency: hz });
    const loudness = new GainNode(this.audio, { gain: 0.3 });
    const end = new MediaStreamAudioDestinationNode(this.audio, { channelCount: 1 });
    tone.connect(loudness).connect(end);
    tone.start();
    return this.#publish(end.stream.getAudioTracks()[0], { source: "microphone", ...options });
  }

  async #publish(track, options) {
    const publication = await this.room.localParticipant.publishTrack(track, options);
    this.publications[publication.trackSid] = publication;
    return publication.trackSid;
  }

  /** The browser's own (fake) devices. */
  async devices() {
    await this.room.localParticipant.enableCameraAndMicrophone();
  }

  async microphone() {
    await this.room.localParticipant.setMicrophoneEnabled(true);
  }

  /** Shares this page, all of which is our picture then. */
  async share_screen({ colour, fps = 10 }) {
    const canvas = document.createElement("canvas");
    canvas.style = "position: fixed; inset: 0; z-index: 1; width: 100vw; height: 100vh";
    document.body.append(canvas);
    const brush = canvas.getContext("2d");
    const fill = (x, y, w, h, rgb) => {
      brush.fillStyle = `rgb(${rgb})`;
      brush.fillRect(x, y, w, h);
    };
    let count = 0;
    setInterval(() => paint(fill, canvas.width, canvas.height, count++ % 256, colour), 1000 / fps);
    const publication = await this.room.localParticipant.setScreenShareEnabled(true, { preferCurrentTab: true });
    return publication.trackSid;
  }

  async mute({ sid, muted }) {
    const { track } = this.publications[sid];
    await (muted ? track.mute() : track.unmute());
  }

  async unpublish({ sid }) {
    await this.room.localParticipant.unpublishTrack(this.publications[sid].track);
  }

  send({ text, topic = "", reliable = true }) {
    return this.room.localParticipant.publishData(new TextEncoder().encode(text), { reliable, topic });
  }

  async chat({ text }) {
    await this.room.localParticipant.sendText(text, { topic: "lk.chat" });
  }

  #remote(name) {
    const [identity, source] = name.split("/");
    return this.room.getParticipantByIdentity(identity).getTrackPublication(source);
  }

  set_quality({ track, quality }) {
    this.#remote(track).setVideoQuality(VideoQuality[quality.toUpperCase()]);
  }

  set_subscribed({ track, subscribed }) {
    this.#remote(track).setSubscribed(subscribed);
  }

  /** As the page would lay it out: adaptive stream looks at that. `null`: out of sight. */
  show({ track, width }) {
    const { style } = this.videos[track];
    style.display = width ? "block" : "none";
    style.width = `${width}px`;
  }

  /** The publisher's encodings, lowest first: `[rid, active, mode]`. */
  encodings({ sid }) {
    const { encodings } = this.publications[sid].track.sender.getParameters();
    return encodings.map(({ rid, active, scalabilityMode }) => [rid ?? "", active, scalabilityMode ?? ""]);
  }

  /** The codec that is sent, as RTP names it. */
  async codec({ sid }) {
    const stats = await this.publications[sid].track.sender.getStats();
    const sent = [...stats.values()].find(({ type, codecId }) => type === "outbound-rtp" && codecId);
    return sent && stats.get(sent.codecId).mimeType;
  }

  /** How media reaches the server: `udp`, `tcp` or `relay`, for every connection in use. */
  async paths() {
    const { pcManager } = this.room.engine;
    const transports = [pcManager.publisher, pcManager.subscriber].filter(Boolean);
    const found = new Set();
    for (const transport of transports) {
      const stats = await transport.getStats();
      for (const { type, selectedCandidatePairId: id } of stats.values()) {
        if (type !== "transport" || !id) continue;
        const { candidateType, protocol } = stats.get(stats.get(id).localCandidateId);
        found.add(candidateType === "relay" ? "relay" : protocol);
      }
    }
    return [...found].sort();
  }

  /** The energy of all that was heard of a track (webrtc-stats): grows as long as it is not silent. */
  async energy({ track }) {
    const stats = await this.#remote(track).track.getRTCStatsReport();
    return [...stats.values()].find(({ type }) => type === "inbound-rtp")?.totalAudioEnergy ?? 0;
  }

  simulate({ scenario, argument }) {
    return this.room.simulateScenario(SCENARIOS[scenario] ?? scenario.replaceAll("_", "-"), argument);
  }

  tones() {
    const hear = (analyser) => {
      const samples = new Float32Array(analyser.fftSize);
      analyser.getFloatTimeDomainData(samples);
      return pitch(samples.subarray(samples.length - TONE_SAMPLES));
    };
    return Object.fromEntries(Object.entries(this.analysers).map(([name, analyser]) => [name, hear(analyser)]));
  }

  forget() {
    this.album.forget();
  }
}

/** A track of what is on the canvas whenever `write` is called, which answers with whether anybody wants more. */
function film(canvas) {
  if (!("MediaStreamTrackGenerator" in window)) {
    // Firefox takes pictures of the canvas by itself.
    const [track] = canvas.captureStream().getVideoTracks();
    return { track, write: async () => track.readyState === "live" };
  }
  const track = new MediaStreamTrackGenerator({ kind: "video" });
  const writer = track.writable.getWriter();
  const write = () =>
    writer.write(new VideoFrame(canvas, { timestamp: performance.now() * 1000 })).then(
      () => true,
      () => false,
    );
  return { track, write };
}

window.participant = new BrowserParticipant();
