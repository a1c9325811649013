import { CSPProvider } from '@base-ui/react/csp-provider';
import { DirectionProvider } from '@base-ui/react/direction-provider';
import type { ReactNode } from 'react';
import { I18nProvider, useI18n } from '../i18n/react';
import { Toasts } from '../ui/Toasts';
import { Broken } from './Broken';
import { Routes } from './Routes';
import { type Services, ServicesProvider } from './services';

/** The app: what everything inside may count on. */
export function App({ services }: { services: Services }) {
  return (
    <CSPProvider disableStyleElements>
      <ServicesProvider services={services}>
        <I18nProvider i18n={services.i18n}>
          <Directed>
            <Broken>
              <Routes />
            </Broken>
            <Toasts notices={services.notices} />
          </Directed>
        </I18nProvider>
      </ServicesProvider>
    </CSPProvider>
  );
}

function Directed({ children }: { children: ReactNode }) {
  return <DirectionProvider direction={useI18n().dir}>{children}</DirectionProvider>;
}
