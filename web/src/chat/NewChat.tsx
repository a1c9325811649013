import { useStore } from '@nanostores/react';
import { useState } from 'react';
import { navigate } from 'wouter/use-browser-location';
import { useModel } from '../app/services';
import { useI18n } from '../i18n/react';
import { Button } from '../ui/Button';
import { Dialog } from '../ui/Dialog';
import { Failure } from '../ui/Failure';
import { AssistantIcon, PersonIcon, PlusIcon, RoomIcon, SearchIcon } from '../ui/icons';
import { Loading } from '../ui/Loading';
import { Menu, MenuItem, MenuLine } from '../ui/Menu';
import { TextArea, TextField } from '../ui/TextField';
import { NewRoom, Question } from './beginnings';
import { type FoundRoom, RoomFinder } from './finder';
import styles from './NewChat.module.css';
import { PeopleChoice } from './people';
import { SearchField } from './SearchField';
import { useChats } from './useChats';

type Way = 'people' | 'assistant' | 'find' | 'create';

/** The ways to a chat that is not in the list yet. */
export function NewChat() {
  const { t } = useI18n();
  const [way, setWay] = useState<Way | null>(null);
  const go = (id: string) => {
    setWay(null);
    navigate(`/chat/${id}`);
  };
  const titles = {
    people: t('chat.talk'),
    assistant: t('chat.ask'),
    find: t('chat.findRooms'),
    create: t('chat.createRoom'),
  };
  return (
    <>
      <Menu
        trigger={
          <Button look="quiet" icon aria-label={t('chat.new')}>
            <PlusIcon aria-hidden />
          </Button>
        }
      >
        <MenuItem icon={<PersonIcon aria-hidden />} onClick={() => setWay('people')}>
          {titles.people}
        </MenuItem>
        <MenuItem icon={<AssistantIcon aria-hidden />} onClick={() => setWay('assistant')}>
          {titles.assistant}
        </MenuItem>
        <MenuLine />
        <MenuItem icon={<SearchIcon aria-hidden />} onClick={() => setWay('find')}>
          {titles.find}
        </MenuItem>
        <MenuItem icon={<RoomIcon aria-hidden />} onClick={() => setWay('create')}>
          {titles.create}
        </MenuItem>
      </Menu>
      <Dialog open={way !== null} onClose={() => setWay(null)} title={way ? titles[way] : ''}>
        {way === 'people' && <People onOpen={go} />}
        {way === 'assistant' && <Ask onOpen={go} />}
        {way === 'find' && <Find onOpen={go} onCreate={() => setWay('create')} />}
        {way === 'create' && <Create onOpen={go} />}
      </Dialog>
    </>
  );
}

interface Props {
  onOpen: (id: string) => void;
}

function People({ onOpen }: Props) {
  const { t } = useI18n();
  const chats = useChats();
  const model = useModel(({ api }) => new PeopleChoice({ api, chats }));
  const chosen = useStore(model.$chosen);
  const title = useStore(model.$title);
  const open = async () => {
    const id = await model.open();
    if (id) onOpen(id);
  };
  return (
    <form className={styles.form} action={() => void open()}>
      <SearchField
        label={t('chat.findPeople')}
        value={useStore(model.$wanted)}
        onChange={(wanted) => model.$wanted.set(wanted)}
        autoFocus
      />
      <PeopleList model={model} />
      {chosen.length > 1 && (
        <TextField
          label={t('chat.groupName')}
          maxLength={100}
          value={title}
          onChange={(title) => model.$title.set(title)}
        />
      )}
      <Failure text={useStore(model.$problem)} />
      <div className={styles.foot}>
        <p aria-live="polite">{chosen.length > 0 && t('chat.chosen', { count: chosen.length })}</p>
        <Button type="submit" look="primary" busy={useStore(model.$busy)}>
          {t('chat.start')}
        </Button>
      </div>
    </form>
  );
}

function PeopleList({ model }: { model: PeopleChoice }) {
  const { t } = useI18n();
  const shown = useStore(model.$shown);
  const wanted = useStore(model.$wanted);
  const chosen = useStore(model.$chosen);
  if (!shown) return <Loading />;
  if (shown.length === 0) return <p>{t(wanted ? 'chat.noMatch' : 'chat.noPeople')}</p>;
  return (
    <fieldset className={styles.people}>
      <legend className={styles.unseen}>{t('chat.people')}</legend>
      {shown.map((person) => (
        <label key={person.user_id} className={styles.person}>
          <input
            type="checkbox"
            checked={chosen.includes(person.user_id)}
            onChange={() => model.toggle(person.user_id)}
          />
          <span className={styles.words}>
            <bdi>{person.name}</bdi>
            {person.email && <span className={styles.small}>{person.email}</span>}
          </span>
        </label>
      ))}
    </fieldset>
  );
}

function Ask({ onOpen }: Props) {
  const { t, say } = useI18n();
  const chats = useChats();
  const model = useModel(({ api }) => new Question({ api, chats }));
  const { form } = model;
  const problem = useStore(form.$problems).question;
  const ask = async () => {
    const id = await model.ask();
    if (id) onOpen(id);
  };
  return (
    <form className={styles.form} action={() => void ask()} noValidate>
      <TextArea
        label={t('chat.question')}
        hint={t('chat.questionHint')}
        autoFocus
        dir="auto"
        rows={4}
        maxLength={10_000}
        value={useStore(form.$fields).question}
        onChange={(question) => form.set('question', question)}
        problem={problem && say(problem)}
      />
      <Failure text={useStore(form.$failure)} />
      <div className={styles.foot}>
        <span />
        <Button type="submit" look="primary" busy={useStore(form.$busy)}>
          {t('chat.start')}
        </Button>
      </div>
    </form>
  );
}

function Find({ onOpen, onCreate }: Props & { onCreate: () => void }) {
  const { t } = useI18n();
  const chats = useChats();
  const model = useModel(({ api }) => new RoomFinder({ api, chats }));
  const wanted = useStore(model.$wanted);
  const shown = useStore(model.$shown);
  const problem = useStore(model.$problem);
  const enter = async (room: FoundRoom) => {
    if (await model.enter(room)) onOpen(room.id);
  };
  return (
    <div className={styles.form}>
      <SearchField
        label={t('chat.findRoom')}
        value={wanted}
        onChange={(wanted) => model.$wanted.set(wanted)}
        autoFocus
      />
      <Failure text={problem} onRetry={() => void model.load()} />
      {!shown && !problem && <Loading />}
      {shown?.length === 0 && <p>{t(wanted ? 'chat.noMatch' : 'chat.noRooms')}</p>}
      <ul className={styles.rooms}>
        {shown?.map((room) => (
          <li key={room.id}>
            <span className={styles.words}>
              <bdi>{room.name}</bdi>
              <span className={styles.small}>{t('chat.members', { count: room.members })}</span>
            </span>
            <Button
              onClick={() => void enter(room)}
              aria-label={t(room.joined ? 'chat.openNamed' : 'chat.joinNamed', { name: room.name })}
            >
              {t(room.joined ? 'chat.open' : 'chat.join')}
            </Button>
          </li>
        ))}
      </ul>
      <div className={styles.foot}>
        <span />
        <Button look="quiet" onClick={onCreate}>
          {t('chat.createRoom')}
        </Button>
      </div>
    </div>
  );
}

function Create({ onOpen }: Props) {
  const { t, say } = useI18n();
  const chats = useChats();
  const model = useModel(() => new NewRoom(chats));
  const { form } = model;
  const problem = useStore(form.$problems).name;
  const create = async () => {
    const id = await model.create();
    if (id) onOpen(id);
  };
  return (
    <form className={styles.form} action={() => void create()} noValidate>
      <TextField
        label={t('chat.findRoom')}
        autoFocus
        dir="auto"
        maxLength={100}
        value={useStore(form.$fields).name}
        onChange={(name) => form.set('name', name)}
        problem={problem && say(problem)}
      />
      <Failure text={useStore(form.$failure)} />
      <div className={styles.foot}>
        <span />
        <Button type="submit" look="primary" busy={useStore(form.$busy)}>
          {t('chat.create')}
        </Button>
      </div>
    </form>
  );
}
