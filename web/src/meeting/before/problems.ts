import { type Text, text } from '../../i18n/i18n';
import type { DeviceProblem } from './devices';

/** What to say of a device that does not work: what is wrong, and what helps. */
export const PROBLEMS: Record<'camera' | 'microphone', Record<DeviceProblem, { title: Text; help: Text }>> = {
  camera: {
    blocked: { title: text('meeting.cameraBlocked'), help: text('meeting.blockedHelp') },
    system: { title: text('meeting.cameraBlockedBySystem'), help: text('meeting.systemHelp') },
    missing: { title: text('meeting.cameraMissing'), help: text('meeting.missingHelp') },
    busy: { title: text('meeting.cameraBusy'), help: text('meeting.busyHelp') },
    insecure: { title: text('meeting.cameraInsecure'), help: text('meeting.insecureHelp') },
    failed: { title: text('meeting.cameraFailed'), help: text('meeting.failedHelp') },
  },
  microphone: {
    blocked: { title: text('meeting.microphoneBlocked'), help: text('meeting.blockedHelp') },
    system: { title: text('meeting.microphoneBlockedBySystem'), help: text('meeting.systemHelp') },
    missing: { title: text('meeting.microphoneMissing'), help: text('meeting.missingHelp') },
    busy: { title: text('meeting.microphoneBusy'), help: text('meeting.busyHelp') },
    insecure: { title: text('meeting.microphoneInsecure'), help: text('meeting.insecureHelp') },
    failed: { title: text('meeting.microphoneFailed'), help: text('meeting.failedHelp') },
  },
};
