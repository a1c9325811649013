import type { Translation } from '../../message';
import type { schedule as original } from '../en/schedule';

export const schedule: Translation<typeof original> = {
  title: 'جدولة اجتماع',
  name: 'العنوان',
  description: 'الوصف (اختياري)',
  date: 'التاريخ',
  start: 'البداية',
  duration: 'المدة',
  minutes: {
    zero: '{count} دقيقة',
    one: 'دقيقة واحدة',
    two: 'دقيقتان',
    few: '{count} دقائق',
    many: '{count} دقيقة',
    other: '{count} دقيقة',
  },
  timeZone: 'المنطقة الزمنية',
  settings: 'الخيارات',
  waitingRoom: 'غرفة الانتظار',
  waitingRoomText: 'أنت تسمح بدخول كل شخص.',
  passcode: 'رمز المرور',
  passcodeText: 'يحتاج المنضم إلى ستة أرقام مع الرابط.',
  beforeHost: 'الانضمام قبلي',
  beforeHostText: 'يمكن للآخرين البدء من دونك.',
  recording: 'السماح بالتسجيل',
  recordingText: 'يرى الجميع متى يكون التسجيل جاريًا.',
  screenShare: 'يمكن للجميع مشاركة الشاشة',
  create: 'جدولة',
  past: 'هذا الوقت قد مضى.',
  done: 'تمت جدولة {title}.',
};
