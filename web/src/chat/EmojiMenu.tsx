import { Popover } from '@base-ui/react/popover';
import { type RefObject, useState } from 'react';
import { useI18n } from '../i18n/react';
import { Button } from '../ui/Button';
import { EmojiIcon } from '../ui/icons';
import styles from './EmojiMenu.module.css';

/** Few, and the ones people use; every system has a way to type the others. */
const EMOJI = [...'👍👎👏🙏🙌💪👋🎉😀😂😊😉😍😎🤔😮😢😅🙄😴🔥✨✅❌❓💡👀🚀☕🍕'];

interface Props {
  onChoose: (emoji: string) => void;
  /** Where the focus goes afterwards. */
  field: RefObject<HTMLElement | null>;
}

/** A button that opens a small choice of emoji. */
export function EmojiMenu({ onChoose, field }: Props) {
  const { t } = useI18n();
  const [open, setOpen] = useState(false);
  return (
    <Popover.Root open={open} onOpenChange={setOpen}>
      <Popover.Trigger
        render={
          <Button look="quiet" icon aria-label={t('chat.emoji')}>
            <EmojiIcon aria-hidden />
          </Button>
        }
      />
      <Popover.Portal>
        <Popover.Positioner
          className={styles.place}
          side="top"
          align="end"
          sideOffset={8}
          collisionPadding={8}
        >
          <Popover.Popup className={styles.popup} aria-label={t('chat.emoji')} finalFocus={field}>
            {EMOJI.map((emoji) => (
              <button
                key={emoji}
                type="button"
                className={styles.emoji}
                onClick={() => {
                  setOpen(false);
                  onChoose(emoji);
                }}
              >
                {emoji}
              </button>
            ))}
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  );
}
