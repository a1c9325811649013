import type { Translation } from '../../message';
import type { schedule as original } from '../en/schedule';

export const schedule: Translation<typeof original> = {
  title: '安排会议',
  name: '标题',
  description: '说明（可选）',
  date: '日期',
  start: '开始',
  duration: '时长',
  minutes: { other: '{count} 分钟' },
  timeZone: '时区',
  settings: '选项',
  waitingRoom: '等候室',
  waitingRoomText: '由您逐一准许加入。',
  passcode: '会议密码',
  passcodeText: '除链接外还需输入六位数字。',
  beforeHost: '允许先于我加入',
  beforeHostText: '其他人可以在您到达前开始。',
  recording: '允许录制',
  recordingText: '录制时所有人都会看到提示。',
  screenShare: '所有人可共享屏幕',
  create: '安排',
  past: '该时间已过。',
  done: '{title} 已安排。',
};
