/** What participants of both programs answer alike. `room`: LiveKit's. */
import { Album } from "./signals.mjs";

export class Participant {
  album = new Album();
  /** What happened, oldest first: `[name, ...values]`. */
  events = [];

  sid() {
    return this.room.localParticipant.sid;
  }

  others() {
    return [...this.room.remoteParticipants.keys()].sort();
  }

  log() {
    return this.events;
  }

  pictures() {
    return this.album.all();
  }

  rpc({ to, payload }) {
    return this.room.localParticipant.performRpc({ destinationIdentity: to, method: "shout", payload });
  }
}
