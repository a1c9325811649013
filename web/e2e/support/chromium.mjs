/** What every Chromium of the tests is started with. */
export const ARGUMENTS = [
  '--headless=new',
  '--no-sandbox',
  // The list behind the address bar, and its second for an assistant, are pages with a process each in every window: nine tenths of
  // what a window costs. The rest are of Playwright's own list, which this one takes the place of: nothing asks another
  // host for anything.
  `--disable-features=${[
    'WebUIOmniboxPopup',
    'WebUIOmniboxAimPopup',
    'WebUIOmniboxFullPopup',
    'AimEnabled',
    'AvoidCorsURLLoaderRestartOnRedirect',
    'AvoidUnnecessaryBeforeUnloadCheckSync',
    'DestroyProfileOnBrowserClose',
    'HttpsFirstBalancedModeAutoEnable',
    'HttpsUpgrades',
    'LensOverlay',
    'MediaRouter',
    'NetworkTimeServiceQuerying',
    'OptimizationHints',
    'PaintHolding',
    'PreconnectToSearch',
    'ThirdPartyStoragePartitioning',
  ].join(',')}`,
];
