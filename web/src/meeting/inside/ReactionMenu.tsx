import { Menu as Base } from '@base-ui/react/menu';
import { useI18n } from '../../i18n/react';
import { EmojiIcon } from '../../ui/icons';
import menu from '../../ui/Menu.module.css';
import { Control } from './ControlBar';
import type { Call } from './call';
import styles from './ReactionMenu.module.css';
import { EMOJIS } from './reactions';

/** A row of emoji to show for a moment. */
export function ReactionMenu({ call }: { call: Call }) {
  const { t } = useI18n();
  return (
    <Base.Root modal={false} orientation="horizontal">
      <Base.Trigger render={<Control icon={<EmojiIcon aria-hidden />} word={t('meeting.react')} />} />
      <Base.Portal>
        <Base.Positioner className={menu.positioner} side="top" sideOffset={6} collisionPadding={8}>
          <Base.Popup className={`${menu.popup} ${styles.row}`} aria-label={t('meeting.react')}>
            {EMOJIS.map((emoji) => (
              <Base.Item
                key={emoji}
                className={`${menu.item} ${styles.emoji}`}
                aria-label={t('meeting.reactWith', { emoji })}
                closeOnClick={false}
                onClick={() => call.reactions.react(emoji)}
              >
                {emoji}
              </Base.Item>
            ))}
          </Base.Popup>
        </Base.Positioner>
      </Base.Portal>
    </Base.Root>
  );
}
