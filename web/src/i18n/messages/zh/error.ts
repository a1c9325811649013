import type { Translation } from '../../message';
import type { error as original } from '../en/error';

export const error: Translation<typeof original> = {
  network: '无法连接服务器。请检查网络后重试。',
  busy: '服务器正忙，请稍后再试。',
  tooMany: '尝试次数过多，请稍等片刻再试。',
  tooManySeconds: { other: '尝试次数过多，请在 {count} 秒后重试。' },
  session: '您已退出登录，请重新登录以继续。',
  forbidden: '您无权执行此操作。',
  notFound: '该内容不存在或已被删除。',
  meetingNotFound: '没有使用此代码的会议。',
  meetingEnded: '此会议已结束。',
  meetingNotStarted: '主持人尚未开始此会议。',
  meetingFull: '此会议人数已满。',
  meetingLocked: '主持人已锁定此会议。',
  passcode: '会议密码不正确。',
  credentials: '邮箱、手机号或密码不正确。',
  notVerified: '此账户尚未验证。',
  deactivated: '此账户已被停用。',
  taken: '该地址已被注册。',
  invalid: '服务器未接受：{detail}',
  unknown: '操作未成功，请重试。',
};
