import { expect, test } from 'vitest';
import { CatchUp } from './catchup';

test('without a break, what arrived is known', () => {
  const catchUp = new CatchUp(4);
  catchUp.saw(5);
  catchUp.saw(6);
  expect(catchUp.ask().since).toBe(6);
});

test('what arrives new before what was missed does not count until the server has answered', () => {
  const catchUp = new CatchUp(6);
  const { fence } = catchUp.ask();
  catchUp.saw(9);
  // The connection is lost again before 7 and 8 came.
  expect(catchUp.ask().since).toBe(6);
  catchUp.saw(7);
  catchUp.saw(8);
  catchUp.saw(9);
  catchUp.reached(fence); // of the lost connection
  expect(catchUp.ask().since).toBe(6);
});

test('after the answer all of it counts', () => {
  const catchUp = new CatchUp(6);
  const { fence } = catchUp.ask();
  for (const seq of [9, 7, 8]) catchUp.saw(seq);
  catchUp.reached(fence);
  expect(catchUp.ask().since).toBe(9);
});
