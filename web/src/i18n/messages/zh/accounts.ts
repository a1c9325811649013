import type { Translation } from '../../message';
import type { accounts as original } from '../en/accounts';

export const accounts: Translation<typeof original> = {
  welcomeTitle: '在自己的服务器上开会与交流',
  welcomeText: '视频会议与聊天合而为一。不限时长，访客只需一个链接。',
  logInTitle: '登录',
  emailOrPhone: '邮箱或手机号',
  password: '密码',
  showPassword: '显示密码',
  firstName: '名',
  lastName: '姓',
  passwordRule: '至少 8 个字符，包含大写字母、小写字母和数字。',
  noAccount: '还没有账户？',
  haveAccount: '已有账户？',
  required: '请填写此项。',
  contactShape: '请输入邮箱，或带国家代码的手机号（如 +86 10 12345678）。',
  passwordWeak: '密码至少 8 位，且包含大写字母、小写字母和数字。',
  verifyTitle: '还差一步',
  verifyText: '我们已向 {address} 发送验证码，请在此输入。',
  code: '验证码',
  verify: '确认',
  codeWrong: '验证码错误或已过期。',
  resend: '重新发送验证码',
  resent: '新的验证码已发送。',
};
