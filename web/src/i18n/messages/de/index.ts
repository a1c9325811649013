import { accounts } from './accounts';
import { app } from './app';
import { chat } from './chat';
import { error } from './error';
import { home } from './home';
import { meeting } from './meeting';
import { schedule } from './schedule';
import { settings } from './settings';

export const catalog = { app, error, accounts, home, schedule, settings, meeting, chat };
