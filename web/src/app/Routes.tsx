import { useStore } from '@nanostores/react';
import { lazy, type ReactNode, Suspense } from 'react';
import { Redirect, Route, Switch, useLocation, useSearch } from 'wouter';
import { Failure } from '../ui/Failure';
import { Loading } from '../ui/Loading';
import { NotFound } from './NotFound';
import { Shell } from './Shell';
import { useServices } from './services';

/** A page's code comes when the page is first shown; so each page is a module of its own with a default export. */
const WelcomePage = lazy(() => import('../accounts/WelcomePage'));
const LogInPage = lazy(() => import('../accounts/LogInPage'));
const RegisterPage = lazy(() => import('../accounts/RegisterPage'));
const SettingsPage = lazy(() => import('../accounts/SettingsPage'));
const HomePage = lazy(() => import('../home/HomePage'));
const SchedulePage = lazy(() => import('../home/SchedulePage'));
const MeetingPage = lazy(() => import('../meeting/MeetingPage'));
const ChatPage = lazy(() => import('../chat/ChatPage'));

/** Which page answers to which address. */
export function Routes() {
  return (
    <Suspense fallback={<Loading />}>
      <Switch>
        {/* A meeting fills the window: it has no frame around it, and guests come in. */}
        <Route path="/meeting/:code">{({ code }) => <MeetingPage code={code} key={code} />}</Route>
        <Route>
          <Shell>
            <Suspense fallback={<Loading />}>
              <Framed />
            </Suspense>
          </Shell>
        </Route>
      </Switch>
    </Suspense>
  );
}

function Framed() {
  const status = useStore(useServices().session.state).status;
  return (
    <Switch>
      <Route path="/">
        {status === 'nobody' ? (
          <WelcomePage />
        ) : (
          <Person>
            <HomePage />
          </Person>
        )}
      </Route>
      <Route path="/login">
        <Nobody>
          <LogInPage />
        </Nobody>
      </Route>
      <Route path="/register">
        <Nobody>
          <RegisterPage />
        </Nobody>
      </Route>
      <Route path="/schedule">
        <Person>
          <SchedulePage />
        </Person>
      </Route>
      <Route path="/schedule/:id">
        {({ id }) => (
          <Person>
            <SchedulePage id={id} key={id} />
          </Person>
        )}
      </Route>
      <Route path="/settings">
        <Person>
          <SettingsPage />
        </Person>
      </Route>
      <Route path="/chat/*?">
        <Person>
          <ChatPage />
        </Person>
      </Route>
      <Route>
        <NotFound />
      </Route>
    </Switch>
  );
}

/** A page for people who are logged in; others log in first and come back. */
function Person({ children }: { children: ReactNode }) {
  const { session } = useServices();
  const state = useStore(session.state);
  const [path] = useLocation();
  const search = useSearch();
  if (state.status === 'loading') return <Loading />;
  if (state.status === 'failed') return <Failure text={state.problem} onRetry={() => void session.load()} />;
  if (state.status === 'person') return children;
  const next = path + (search && `?${search}`);
  return <Redirect to={next === '/' ? '/' : `/login?next=${encodeURIComponent(next)}`} replace />;
}

/** A page for people who are not logged in; as soon as they are, they go where they wanted to. */
function Nobody({ children }: { children: ReactNode }) {
  const state = useStore(useServices().session.state);
  const next = new URLSearchParams(useSearch()).get('next');
  if (state.status === 'nobody') return children;
  // Nothing but a path of this app: `//host` would lead elsewhere.
  return <Redirect to={next && /^\/(?!\/)/.test(next) ? next : '/'} replace />;
}
