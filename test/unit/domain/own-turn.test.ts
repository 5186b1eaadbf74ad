import { expect, it } from '@jest/globals';
import { ownTurn } from '../../../src/domain/own-turn.js';

it('those who come together go on in a turn of the event loop each, in their order', async () => {
  let turns = 0;
  let isCounting = true;
  const count = (): void => {
    turns += 1;
    if (isCounting) setImmediate(count);
  };
  setImmediate(count);
  const wentOn: [string, number][] = [];
  const goOn = async (name: string): Promise<void> => {
    await ownTurn();
    wentOn.push([name, turns]);
  };
  await Promise.all(['first', 'second', 'third'].map(goOn));
  isCounting = false;
  expect(wentOn.map(([name]) => name)).toEqual(['first', 'second', 'third']);
  expect(new Set(wentOn.map(([, turn]) => turn)).size).toBe(3);
});
