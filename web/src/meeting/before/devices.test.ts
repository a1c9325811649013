import { expect, test, vi } from 'vitest';
import { Devices, type MediaDevicesLike, problemOf } from './devices';

const device = (kind: MediaDeviceKind, deviceId: string) =>
  ({ kind, deviceId, label: deviceId, groupId: '' }) as MediaDeviceInfo;

class FakeMedia implements MediaDevicesLike {
  asked: MediaStreamConstraints[] = [];
  refusal: Error | null = null;
  listeners = new Set<EventListenerOrEventListenerObject>();

  constructor(public devices: MediaDeviceInfo[]) {}

  enumerateDevices = async () => this.devices;
  addEventListener = (_: string, listener: EventListenerOrEventListenerObject) => {
    this.listeners.add(listener);
  };
  removeEventListener = (_: string, listener: EventListenerOrEventListenerObject) => {
    this.listeners.delete(listener);
  };
  getUserMedia = async (constraints?: MediaStreamConstraints) => {
    this.asked.push(constraints ?? {});
    if (this.refusal) throw this.refusal;
    return {} as MediaStream;
  };
}

test('the chosen device is used as long as it is there', async () => {
  const media = new FakeMedia([device('videoinput', 'built-in'), device('videoinput', 'usb')]);
  const devices = new Devices(media);
  devices.choose('camera', 'usb');
  await devices.open('camera');
  expect(media.asked[0]?.video).toMatchObject({ deviceId: { ideal: 'usb' } });
  expect(devices.$used.get().camera).toBe('usb');
  media.devices = [device('videoinput', 'built-in')];
  await devices.open('camera');
  expect(devices.$used.get().camera).toBe(null);
  expect(devices.$choice.get().camera).toBe('usb');
});

test('before permission devices have no id and are not offered', async () => {
  const devices = new Devices(new FakeMedia([device('videoinput', '')]));
  await devices.open('camera');
  expect(devices.$all.get().camera).toEqual([]);
});

test('without HTTPS there is nothing to ask', async () => {
  expect(await new Devices(undefined).open('camera')).toBe('insecure');
  vi.stubGlobal('isSecureContext', false);
  expect(problemOf(new TypeError('navigator.mediaDevices is undefined'))).toBe('insecure');
  vi.unstubAllGlobals();
});

test('a refusal is told as what it is', async () => {
  const media = new FakeMedia([]);
  media.refusal = new DOMException('Permission denied', 'NotAllowedError');
  expect(await new Devices(media).open('microphone')).toBe('blocked');
});

test.each([
  ['NotAllowedError', 'Permission denied', 'blocked'],
  ['NotAllowedError', 'Permission denied by system', 'system'],
  [
    'NotAllowedError',
    'The request is not allowed by the user agent or the platform in the current context.',
    'blocked',
  ],
  [
    'NotAllowedError',
    'The request is not allowed by the user agent or the platform in the current context, possibly because the user denied permission.',
    'blocked',
  ],
  ['NotFoundError', 'Requested device not found', 'missing'],
  ['NotReadableError', 'Device in use', 'busy'],
  ['TypeError', 'nonsense', 'failed'],
])('%s (%s) is %s', (name, message, problem) => {
  expect(problemOf(new DOMException(message, name))).toBe(problem);
});

test('nothing is listened to any more after the end', () => {
  const media = new FakeMedia([]);
  const devices = new Devices(media);
  expect(media.listeners.size).toBe(1);
  devices.dispose();
  expect(media.listeners.size).toBe(0);
});
