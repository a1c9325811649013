import type { SyntheticEvent } from 'react';

/**
 * For the `onSubmit` of a form with lists or switches. React resets a form after its `action`, and a list then shows its
 * first option, whatever is chosen: a refused form would say something else than it sends.
 */
export const submitting = (act: () => unknown) => (event: Pick<SyntheticEvent, 'preventDefault'>) => {
  event.preventDefault();
  act();
};
