import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DriverError } from '../../../src/domain/errors.js';
import type { Operation } from '../../../src/saga/operation.js';
import { run, settle, undoLate, type Saga, type SagaRun } from '../../../src/saga/saga.js';

/** A world of switches: step i turns switch i on, its undo turns it off. */
interface World {
  on: Set<number>;
  stored: Operation | undefined;
  records: string[];
  calls: number;
}
type Effect = 'before' | 'after';
class Killed extends Error {}

const newWorld = (): World => ({ on: new Set(), stored: undefined, records: [], calls: 0 });

interface Faults {
  /** The process dies at the k-th outward call, before or after its effect. */
  killAt?: { call: number; when: Effect };
  /** Step that fails, before or after its effect. */
  failAt?: { step: number; when: Effect };
  undoFails?: boolean;
}

function build(world: World, steps: number, faults: Faults) {
  const outward = async (effect: () => void): Promise<void> => {
    const call = (world.calls += 1);
    const kill = faults.killAt?.call === call ? faults.killAt.when : undefined;
    if (kill === 'before') throw new Killed();
    effect();
    await Promise.resolve();
    if (kill === 'after') throw new Killed();
  };
  const saga: Saga<{ name: string }, Record<string, boolean>, string> = {
    kind: 'test',
    afterCrash: 'undo',
    steps: Array.from({ length: steps }, (_, index) => ({
      name: `step ${index}`,
      async do() {
        const failure = faults.failAt?.step === index ? faults.failAt.when : undefined;
        if (failure === 'before') throw new DriverError('unavailable', 'injected');
        await outward(() => world.on.add(index));
        if (failure === 'after') throw new DriverError('unknown-outcome', 'injected');
        return { [`fact ${index}`]: true };
      },
      async undo() {
        if (faults.undoFails === true) throw new DriverError('unavailable', 'array is gone');
        await outward(() => world.on.delete(index));
      },
    })),
    result: () => ['made'],
    undone: () => ['gone'],
  };
  const ctx: SagaRun<string> = {
    journal: {
      save: async (operation, also) =>
        outward(() => {
          world.stored = structuredClone(operation);
          world.records.push(...also);
        }),
      finish: async (_operation, also) =>
        outward(() => {
          world.stored = undefined;
          world.records.push(...also);
        }),
    },
    signal: new AbortController().signal,
    undoSignal: () => new AbortController().signal,
  };
  return { saga, ctx };
}

const start = { plan: { name: 'v' }, node: 'n', volume: 'v', keys: ['volume/v'], claim: ['claimed'] };

/** The same saga, with no way back from one of its steps on. */
function noWayBackFrom<S extends ReturnType<typeof build>['saga']>(saga: S, first: number): S {
  return { ...saga, steps: saga.steps.map((step, index) => ({ ...step, noWayBack: index === first })) };
}

async function caught(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (thrown) {
    return thrown;
  }
  return undefined;
}

describe('saga', () => {
  it('does all steps and writes the result', async () => {
    const world = newWorld();
    const { saga, ctx } = build(world, 3, {});
    const facts = await run(saga, start, ctx);
    expect([...world.on]).toEqual([0, 1, 2]);
    expect(world.records).toEqual(['claimed', 'made']);
    expect(world.stored).toBeUndefined();
    expect(Object.keys(facts)).toHaveLength(3);
  });

  it('all or nothing, whichever step fails, before or after its effect', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5 }),
        fc.nat(4),
        fc.constantFrom<Effect>('before', 'after'),
        async (steps, step, when) => {
          fc.pre(step < steps);
          const world = newWorld();
          const { saga, ctx } = build(world, steps, { failAt: { step, when } });
          const thrown = await caught(run(saga, start, ctx));
          expect(thrown).toMatchObject({ rollback: 'done' });
          expect(world.on.size).toBe(0);
          expect(world.records.at(-1)).toBe('gone');
          expect(world.stored).toBeUndefined();
        },
      ),
    );
  });

  it('all or nothing, wherever it is killed, on the way there or on the way back', async () => {
    const deaths = fc.tuple(
      fc.integer({ min: 1, max: 4 }),
      fc.nat(12),
      fc.nat(8),
      fc.constantFrom<Effect>('before', 'after'),
      fc.option(fc.nat(3)),
    );
    await fc.assert(
      fc.asyncProperty(deaths, async ([steps, first, second, when, failing]) => {
        const world = newWorld();
        const failAt = failing === null ? {} : { failAt: { step: failing, when } };
        const one = build(world, steps, { killAt: { call: first + 1, when }, ...failAt });
        await caught(run(one.saga, start, one.ctx));
        for (const call of [world.calls + second + 1, undefined]) {
          if (world.stored === undefined) continue;
          const again = build(world, steps, call === undefined ? {} : { killAt: { call, when } });
          await caught(settle(again.saga, structuredClone(world.stored), again.ctx));
        }
        expect(world.stored).toBeUndefined();
        const made = world.records.includes('made') && world.records.at(-1) === 'made';
        expect(world.on.size).toBe(made ? steps : 0);
      }),
      { numRuns: 500 },
    );
  });

  it('a way back that is blocked leaves the operation open and says so', async () => {
    const world = newWorld();
    const { saga, ctx } = build(world, 2, { failAt: { step: 1, when: 'before' }, undoFails: true });
    expect(await caught(run(saga, start, ctx))).toMatchObject({ rollback: 'pending', code: 'unavailable' });
    expect(world.stored).toMatchObject({ phase: 'undo' });
    const later = build(world, 2, {});
    if (world.stored === undefined) throw new Error('nothing stored');
    await settle(later.saga, world.stored, later.ctx);
    expect(world.on.size).toBe(0);
    expect(world.stored).toBeUndefined();
  });

  it('undoes what an earlier release has left in a step that there is no more', async () => {
    const world = newWorld();
    const { saga, ctx } = build(world, 3, { failAt: { step: 2, when: 'after' }, undoFails: true });
    await caught(run(saga, start, ctx));
    if (world.stored === undefined) throw new Error('nothing is on record');
    expect(world.stored.next).toBe(2);
    world.on.delete(2);
    const later = build(world, 2, {});
    await settle(later.saga, world.stored, later.ctx);
    expect([...world.on]).toEqual([]);
    expect(world.records.at(-1)).toBe('gone');
  });

  describe('an undone step whose call got no answer', () => {
    const looked: string[] = [];
    let undone: Operation | undefined;

    /** Three steps, of which the second can be looked for again. */
    function threeSteps(faults: Faults) {
      const { saga, ctx } = build(newWorld(), 3, faults);
      const look = async (): Promise<void> => void (await Promise.resolve(looked.push('step 1')));
      const steps = saga.steps.map((step, index) => (index === 1 ? { ...step, undoLate: look } : step));
      const { journal } = ctx;
      const saved: Operation[] = [];
      const save: typeof journal.save = async (operation, also) => {
        saved.push(structuredClone(operation));
        await journal.save(operation, also);
      };
      const finish: typeof journal.finish = async (operation) => {
        undone = structuredClone(operation);
        await Promise.resolve();
      };
      return { saga: { ...saga, steps }, ctx: { ...ctx, journal: { save, finish } }, saved };
    }

    it.each([
      { how: 'failed', step: 1, when: 'after', unanswered: 1 },
      { how: 'failed before it was sent', step: 1, when: 'before', unanswered: undefined },
      { how: 'failed, and leaves nothing to look for', step: 2, when: 'after', unanswered: undefined },
    ] as const)('is looked for again when it $how', async ({ step, when, unanswered }) => {
      looked.length = 0;
      const { saga, ctx } = threeSteps({ failAt: { step, when } });
      await caught(run(saga, start, ctx));
      if (undone === undefined) throw new Error('it was not undone');
      expect(undone.unanswered).toBe(unanswered);
      await undoLate(saga, undone, ctx.signal);
      expect(looked).toEqual(unanswered === undefined ? [] : ['step 1']);
    });

    it.each([
      { next: 0, unanswered: undefined },
      { next: 1, unanswered: 1 },
      { next: 2, unanswered: undefined },
    ])('is looked for again when the process died in step $next', async ({ next, unanswered }) => {
      const { saga, ctx, saved } = threeSteps({});
      await run(saga, start, ctx);
      const left = saved.find((operation) => operation.next === next);
      if (left === undefined) throw new Error('not on record');
      await settle(saga, left, ctx);
      expect(undone).toMatchObject({ phase: 'undo', next: -1 });
      expect(undone?.unanswered).toBe(unanswered);
    });
  });

  describe('a step that has only something to be undone', () => {
    /** Step 1 is such a one. */
    function withOnlyUndone(world: World, faults: Faults) {
      const { saga, ctx } = build(world, 3, faults);
      const undone: string[] = [];
      const steps = saga.steps.map(({ do: act, ...step }, index) => ({
        ...step,
        ...(index === 1 || act === undefined ? {} : { do: act }),
        async undo(context: Parameters<NonNullable<typeof step.undo>>[0]) {
          undone.push(step.name);
          await step.undo?.(context);
        },
      }));
      return { saga: { ...saga, steps }, ctx, undone };
    }

    it('is on record with the one before it', async () => {
      const { saga, ctx } = withOnlyUndone(newWorld(), {});
      const { save } = ctx.journal;
      const saved: number[] = [];
      ctx.journal.save = async (operation, also) => {
        saved.push(operation.next);
        await save(operation, also);
      };
      await run(saga, start, ctx);
      expect(saved).toEqual([0, 2]);
    });

    it('is undone when the next one was begun', async () => {
      const { saga, ctx, undone } = withOnlyUndone(newWorld(), { failAt: { step: 2, when: 'before' } });
      expect(await caught(run(saga, start, ctx))).toMatchObject({ rollback: 'done' });
      expect(undone).toEqual(['step 2', 'step 1', 'step 0']);
    });

    it('is not undone when the one after it was never begun', async () => {
      const { saga, ctx, undone } = withOnlyUndone(newWorld(), {});
      const { save } = ctx.journal;
      ctx.journal.save = async (operation, also) => {
        if (operation.phase === 'do' && operation.next === 2) throw new DriverError('unavailable', 'etcd is away');
        await save(operation, also);
      };
      expect(await caught(run(saga, start, ctx))).toMatchObject({ rollback: 'done' });
      expect(undone).toEqual(['step 0']);
    });
  });

  describe('a step that only looks', () => {
    /** Step 1 is such a one. */
    function withLook(world: World, faults: Faults) {
      const { saga, ctx } = build(world, 3, faults);
      const look = { name: 'look', onlyLooks: true, do: async () => Promise.resolve({ seen: true }) };
      const saved: { next: number; facts: string[] }[] = [];
      const { save } = ctx.journal;
      ctx.journal.save = async (operation, also) => {
        saved.push({ next: operation.next, facts: Object.keys(operation.facts) });
        await save(operation, also);
      };
      return { saga: { ...saga, steps: saga.steps.map((step, index) => (index === 1 ? look : step)) }, ctx, saved };
    }

    it('is not waited for by a record, and what it saw is on that of the next step', async () => {
      const { saga, ctx, saved } = withLook(newWorld(), {});
      await run(saga, start, ctx);
      expect(saved).toEqual([
        { next: 0, facts: [] },
        { next: 2, facts: ['fact 0', 'seen'] },
      ]);
    });

    it('has a record before it when the point of no return is passed', async () => {
      const { saga, ctx, saved } = withLook(newWorld(), {});
      await run(noWayBackFrom(saga, 1), start, ctx);
      expect(saved.map(({ next }) => next)).toEqual([0, 1, 2]);
    });

    it('is looked again by a redo that begins with the step before it', async () => {
      const world = newWorld();
      const { saga, ctx } = withLook(world, {});
      const redone = noWayBackFrom({ ...saga, afterCrash: 'redo' }, 0);
      const steps = redone.steps.map((step, index) =>
        index === 1 ? { ...step, do: async () => Promise.reject(new DriverError('fenced', 'killed')) } : step,
      );
      await caught(run({ ...redone, steps }, start, ctx));
      expect(world.stored).toMatchObject({ next: 0, phase: 'do' });
      if (world.stored !== undefined) await settle(redone, world.stored, ctx);
      expect([...world.on]).toEqual([0, 2]);
      expect(world.records).toEqual(['claimed', 'made']);
    });

    it.each(['fails', 'is killed'])('takes the one before it back when it %s', async (how) => {
      const world = newWorld();
      const { saga, ctx } = withLook(world, {});
      const thrown = how === 'fails' ? new DriverError('refused', 'seen') : new DriverError('fenced', 'killed');
      const steps = saga.steps.map((step, index) =>
        index === 1 ? { ...step, do: async () => Promise.reject(thrown) } : step,
      );
      await caught(run({ ...saga, steps }, start, ctx));
      if (world.stored !== undefined) await settle(saga, world.stored, ctx);
      expect(world.on.size).toBe(0);
      expect(world.records).toEqual(['claimed', 'gone']);
      expect(world.stored).toBeUndefined();
    });
  });

  it('a way back that is repeated goes on where it stopped, and undoes nothing twice', async () => {
    const world = newWorld();
    const { saga, ctx } = build(world, 4, { failAt: { step: 3, when: 'before' } });
    const undone: string[] = [];
    let blocked = true;
    const steps = saga.steps.map((step) => ({
      ...step,
      async undo(context: Parameters<NonNullable<typeof step.undo>>[0]) {
        if (step.name === 'step 1' && blocked) throw new DriverError('unavailable', 'array is gone');
        undone.push(step.name);
        await step.undo?.(context);
      },
    }));
    expect(await caught(run({ ...saga, steps }, start, ctx))).toMatchObject({ rollback: 'pending' });
    for (const stillBlocked of [true, false]) {
      blocked = stillBlocked;
      if (world.stored === undefined) throw new Error('nothing stored');
      await caught(settle({ ...saga, steps }, structuredClone(world.stored), ctx));
    }
    expect(undone).toEqual(['step 3', 'step 2', 'step 1', 'step 0']);
    expect(world.stored).toBeUndefined();
  });

  it('promises no rollback when the change of direction could not be recorded and the saga is redone', async () => {
    for (const afterCrash of ['undo', 'redo'] as const) {
      const world = newWorld();
      const { saga, ctx } = build(world, 2, { failAt: { step: 0, when: 'before' } });
      const { save } = ctx.journal;
      ctx.journal.save = async (operation, also) => {
        if (operation.phase === 'undo') throw new DriverError('unavailable', 'etcd is away');
        await save(operation, also);
      };
      const thrown = await caught(run({ ...saga, afterCrash }, start, ctx));
      if (afterCrash === 'undo') expect(thrown).toMatchObject({ rollback: 'pending' });
      else expect(String(thrown)).toContain('may still be carried out');
      expect(world.stored).toMatchObject({ phase: 'do', next: 0 });
    }
  });

  it('a redo that has no time left undoes the step, too, that a dead process may have begun', async () => {
    const before = newWorld();
    const first = build(before, 2, { killAt: { call: 2, when: 'before' } });
    const begun: Operation[] = [];
    first.ctx.journal.save = async (operation) => Promise.resolve(void begun.push(structuredClone(operation)));
    await caught(run(first.saga, start, first.ctx));
    const [left] = begun;
    if (left === undefined) throw new Error('nothing was saved');
    expect(left).toMatchObject({ phase: 'do', next: 0 });
    const world: World = { ...newWorld(), on: new Set([0]), stored: left };
    const { saga, ctx } = build(world, 2, {});
    const noTime = AbortSignal.abort(new DriverError('busy', 'no time is left'));
    await caught(settle({ ...saga, afterCrash: 'redo' }, structuredClone(left), { ...ctx, signal: noTime }));
    expect([...world.on]).toEqual([]);
    expect(world.stored).toBeUndefined();
  });

  it('past the point of no return a failure stays open and is redone', async () => {
    const world = newWorld();
    const { saga, ctx } = build(world, 3, { failAt: { step: 1, when: 'before' } });
    expect(await caught(run(noWayBackFrom(saga, 1), start, ctx))).not.toHaveProperty('rollback', 'done');
    expect(world.on.has(0)).toBe(true);
    // Who looks at what is not finished sees why.
    expect(world.stored).toMatchObject({ phase: 'do', next: 1, error: 'cannot step 1: injected' });
    const later = build(world, 3, {});
    if (world.stored === undefined) throw new Error('nothing stored');
    await settle(noWayBackFrom(later.saga, 1), world.stored, later.ctx);
    expect([...world.on]).toEqual([0, 1, 2]);
    expect(world.records.at(-1)).toBe('made');
  });

  it('is not put back on record when only the answer to its end was lost', async () => {
    const world = newWorld();
    const { saga, ctx } = build(world, 3, {});
    const { finish } = ctx.journal;
    ctx.journal.finish = async (operation, also) => {
      await finish(operation, also);
      throw new DriverError('unavailable', 'no answer');
    };
    await caught(run(noWayBackFrom(saga, 1), start, ctx));
    expect(world.stored).toBeUndefined();
  });

  it('a fenced writer does nothing more, neither forward nor back', async () => {
    const world = newWorld();
    const { saga, ctx } = build(world, 2, {});
    const { save } = ctx.journal;
    let saves = 0;
    ctx.journal.save = async (operation, also) => {
      saves += 1;
      if (saves > 1) throw new DriverError('fenced', 'the lease is lost');
      await save(operation, also);
    };
    expect(await caught(run(saga, start, ctx))).toMatchObject({ code: 'fenced' });
    expect([...world.on]).toEqual([0]);
    expect(saves).toBe(2);
  });
});
