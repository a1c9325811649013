import type { Translation } from '../../message';
import type { accounts as original } from '../en/accounts';

export const accounts: Translation<typeof original> = {
  welcomeTitle: 'اجتمع وتحدّث على خادمك الخاص',
  welcomeText: 'اجتماعات الفيديو والدردشة في مكان واحد. بلا حدّ زمني، ويكفي الضيوف رابط واحد.',
  logInTitle: 'تسجيل الدخول',
  emailOrPhone: 'البريد الإلكتروني أو رقم الهاتف',
  password: 'كلمة المرور',
  showPassword: 'إظهار كلمة المرور',
  firstName: 'الاسم الأول',
  lastName: 'اسم العائلة',
  passwordRule: '8 أحرف على الأقل، منها حرف كبير وحرف صغير ورقم.',
  noAccount: 'جديد هنا؟',
  haveAccount: 'لديك حساب بالفعل؟',
  required: 'يرجى ملء هذا الحقل.',
  contactShape: 'أدخل بريدًا إلكترونيًا أو رقم هاتف مع رمز الدولة، مثل ‎+966 11 1234567.',
  passwordWeak: 'تحتاج كلمة المرور إلى 8 أحرف وحرف كبير وحرف صغير ورقم.',
  verifyTitle: 'خطوة أخيرة',
  verifyText: 'أرسلنا رمزًا إلى {address}. أدخله هنا.',
  code: 'رمز التحقق',
  verify: 'تأكيد',
  codeWrong: 'هذا الرمز خاطئ أو منتهي الصلاحية.',
  resend: 'إعادة إرسال الرمز',
  resent: 'الرمز الجديد في الطريق إليك.',
};
