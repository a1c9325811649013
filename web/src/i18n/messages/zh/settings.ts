import type { Translation } from '../../message';
import type { settings as original } from '../en/settings';

export const settings: Translation<typeof original> = {
  title: '设置',
  profile: '个人资料',
  displayName: '他人看到的名称',
  saved: '已保存',
  devices: '加入会议时',
  camera: '打开摄像头',
  microphone: '打开麦克风',
};
