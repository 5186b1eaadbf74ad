import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { disasterStory } from './disaster-story.js';
import { startStack, type Stack } from './stack.js';

jest.setTimeout(400_000);

describe('the primary array loses power while a container writes', () => {
  let stack: Stack | undefined;

  afterEach(async () => {
    await stack?.stop();
    stack = undefined;
  });

  const rows = [
    { reboot: false, what: 'all records survive the failover and come home' },
    { reboot: true, what: 'all records survive when the host reboots during the outage, too' },
  ];
  // Each takes more than a minute.
  const isInCI = process.env['CI'] === 'true';
  process.stderr.write(
    `the disaster ${isInCI ? 'with' : 'without'} a reboot is tried here, the other one ${isInCI ? 'by hand' : 'in CI'}\n`,
  );

  it.each(rows.filter(({ reboot }) => reboot === isInCI))('$what', async ({ reboot }) => {
    const story = disasterStory({ reboot });
    stack = await startStack({ driver: 'hpe-disaster', mode: 'synchronous', engine: { own: reboot } });
    const steps: string[] = [];
    await story.tell(stack, async ({ name }, work) => {
      steps.push(name);
      await work().catch((cause: unknown) => {
        throw new Error(`step "${name}": ${String(cause)}`, { cause });
      });
    });
    expect(steps.at(-1)).toBe('remove');
  });
});
