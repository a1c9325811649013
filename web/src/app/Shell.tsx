import { useStore } from '@nanostores/react';
import type { ReactNode } from 'react';
import { Link, useRoute } from 'wouter';
import type { Chats } from '../chat/chats';
import { useI18n } from '../i18n/react';
import { LinkButton } from '../ui/Button';
import { ChatIcon, HomeIcon } from '../ui/icons';
import { Logo } from '../ui/Logo';
import { AccountMenu } from './AccountMenu';
import { AppearanceMenu } from './AppearanceMenu';
import styles from './Shell.module.css';
import { useServices } from './services';

/** The frame around every page but the meeting: skip link, name, navigation, account. */
export function Shell({ children }: { children: ReactNode }) {
  const { t } = useI18n();
  const state = useStore(useServices().session.state);
  const somebody = state.status !== 'nobody';
  return (
    <div className={styles.shell} data-nav={somebody}>
      <a className={styles.skip} href="#main">
        {t('app.skip')}
      </a>
      <header className={styles.bar}>
        <Link href="/" className={styles.brand}>
          <Logo size={28} />
          <span>{t('app.name')}</span>
        </Link>
        {somebody && <Navigation />}
        <div className={styles.end}>
          {state.status === 'person' && <AccountMenu profile={state.profile} />}
          {!somebody && (
            <>
              <AppearanceMenu />
              <LinkButton look="quiet" href="/login">
                {t('app.logIn')}
              </LinkButton>
            </>
          )}
        </div>
      </header>
      {children}
    </div>
  );
}

function Navigation() {
  const { t } = useI18n();
  const services = useServices();
  // The chats are somebody's as soon as it is known who that is.
  const chats = useStore(services.session.state).status === 'person' ? services.chats.current : null;
  return (
    <nav className={styles.nav} aria-label={t('app.navigation')}>
      <Place href="/" pattern="/" icon={<HomeIcon aria-hidden />}>
        {t('app.home')}
      </Place>
      <Place href="/chat" pattern="/chat/*?" icon={<ChatIcon aria-hidden />}>
        {t('app.chat')}
        {chats && <NewMessages chats={chats} />}
      </Place>
    </nav>
  );
}

/** How many chats have something new. */
function NewMessages({ chats }: { chats: Chats }) {
  const { t } = useI18n();
  const count = useStore(chats.$unread);
  if (count === 0) return null;
  return (
    <span className={styles.count}>
      <span aria-hidden>{count}</span>
      <span className={styles.unseen}>{t('chat.unreadChats', { count })}</span>
    </span>
  );
}

function Place({
  href,
  pattern,
  icon,
  children,
}: {
  href: string;
  pattern: string;
  icon: ReactNode;
  children: ReactNode;
}) {
  const [here] = useRoute(pattern);
  return (
    <Link href={href} className={styles.place} aria-current={here ? 'page' : undefined}>
      {icon}
      <span>{children}</span>
    </Link>
  );
}
