import type { Translation } from '../../message';
import type { settings as original } from '../en/settings';

export const settings: Translation<typeof original> = {
  title: 'الإعدادات',
  profile: 'الملف الشخصي',
  displayName: 'الاسم الذي يراه الآخرون',
  saved: 'تم الحفظ',
  devices: 'عند الانضمام إلى اجتماع',
  camera: 'تشغيل الكاميرا',
  microphone: 'تشغيل الميكروفون',
};
