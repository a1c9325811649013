import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app/App';
import { createServices } from './app/services';
import { applyTheme } from './theme/theme';
import './theme/tokens.css';
import './theme/base.css';

const root = document.getElementById('root');
if (!root) throw new Error('index.html has no #root');

const services = createServices();
applyTheme(document.documentElement);
void services.i18n.start(navigator.languages);

createRoot(root).render(
  <StrictMode>
    <App services={services} />
  </StrictMode>,
);
