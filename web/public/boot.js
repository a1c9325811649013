// Before the first paint: the colours and the direction that were chosen last. A file of its own, because the
// content security policy allows no inline script.
try {
  const root = document.documentElement;
  const theme = JSON.parse(localStorage.getItem('convo.theme'));
  if (theme === 'light' || theme === 'dark') root.dataset.theme = theme;
  const locale = JSON.parse(localStorage.getItem('convo.locale'));
  if (typeof locale === 'string') root.lang = locale;
  if (locale === 'ar') root.dir = 'rtl';
} catch {
  // Storage may be closed to us; the defaults are good.
}
