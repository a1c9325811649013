import { createContext, type ReactNode, useContext, useEffect, useRef, useState } from 'react';
import { Settling } from '../accounts/settle';
import { type Api, createApi } from '../api';
import { ChatKeeper } from '../chat/keeper';
import { I18n } from '../i18n/i18n';
import { Session } from '../session/session';
import { Notices } from '../ui/notices';

/** What lives as long as the page: made once, given to view models. */
export interface Services {
  api: Api;
  session: Session;
  i18n: I18n;
  notices: Notices;
  chats: ChatKeeper;
}

export function createServices(): Services {
  const api = createApi();
  const session = new Session(api);
  const i18n = new I18n();
  new Settling({ session, i18n });
  return { api, session, i18n, notices: new Notices(), chats: new ChatKeeper({ api, session }) };
}

const Context = createContext<Services | null>(null);

export function ServicesProvider({ services, children }: { services: Services; children: ReactNode }) {
  return <Context value={services}>{children}</Context>;
}

export function useServices(): Services {
  const services = useContext(Context);
  if (!services) throw new Error('useServices outside of ServicesProvider');
  return services;
}

/**
 * The view model of a component: made with it, let go with it. A model that holds lines, timers or listeners has a
 * method `dispose`.
 */
export function useModel<M extends object>(make: (services: Services) => M): M {
  const services = useServices();
  const [model, setModel] = useState(() => make(services));
  const disposed = useRef(false);
  const remake = useRef(make);
  remake.current = make;
  useEffect(() => {
    // In development React unmounts and mounts again at once: then the model is made anew.
    if (disposed.current) {
      disposed.current = false;
      setModel(remake.current(services));
    }
  }, [services]);
  useEffect(
    () => () => {
      disposed.current = true;
      if ('dispose' in model && typeof model.dispose === 'function') model.dispose();
    },
    [model],
  );
  return model;
}
