import { Menu as Base } from '@base-ui/react/menu';
import type { ReactElement, ReactNode } from 'react';
import { CheckIcon } from './icons';
import styles from './Menu.module.css';

/** A button that opens a list of actions. `trigger` is the button; the items are `MenuItem`, `MenuChoice`, `MenuLine`. */
export function Menu({ trigger, children }: { trigger: ReactElement; children: ReactNode }) {
  return (
    <Base.Root modal={false}>
      <Base.Trigger render={trigger} />
      <Base.Portal>
        <Base.Positioner className={styles.positioner} align="end" sideOffset={6} collisionPadding={8}>
          <Base.Popup className={styles.popup}>{children}</Base.Popup>
        </Base.Positioner>
      </Base.Portal>
    </Base.Root>
  );
}

export function MenuItem({
  icon,
  danger,
  onClick,
  children,
}: {
  icon?: ReactNode;
  danger?: boolean;
  onClick: () => void;
  children: ReactNode;
}) {
  return (
    <Base.Item className={styles.item} data-danger={danger || undefined} onClick={onClick}>
      {icon}
      <span>{children}</span>
    </Base.Item>
  );
}

/** One of several: a group with its name, and which is chosen. */
export function MenuChoice<V extends string>(props: {
  label: string;
  icon?: ReactNode;
  value: V;
  options: readonly (readonly [V, string])[];
  onChange: (value: V) => void;
}) {
  return (
    <Base.Group>
      <Base.GroupLabel className={styles.label}>
        {props.icon}
        {props.label}
      </Base.GroupLabel>
      <Base.RadioGroup value={props.value} onValueChange={props.onChange}>
        {props.options.map(([value, name]) => (
          <Base.RadioItem key={value} value={value} className={styles.item} closeOnClick>
            <span className={styles.tick}>
              <Base.RadioItemIndicator>
                <CheckIcon size={16} aria-hidden />
              </Base.RadioItemIndicator>
            </span>
            <span>{name}</span>
          </Base.RadioItem>
        ))}
      </Base.RadioGroup>
    </Base.Group>
  );
}

export function MenuLine() {
  return <Base.Separator className={styles.line} />;
}
