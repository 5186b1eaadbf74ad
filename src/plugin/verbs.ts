import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { DriverError } from '../domain/errors.js';
import type { VolumeDriver } from '../driver/driver.js';
import type { VolumeView } from '../driver/view.js';

/** What a verb works with. */
export interface Call {
  driver: VolumeDriver;
  /** Fires when the time is up or nobody waits for the answer any more. */
  signal: AbortSignal;
  /** Fires when nobody waits for the answer any more. */
  gone: AbortSignal;
}

export type Answer = Record<string, unknown>;

/** One method of Docker's volume plugin API. */
export interface Verb {
  /** dockerd waits longer for Create and Mount than for the rest (docker plugin reference 5). */
  limit: 'long' | 'short';
  /** Reads are logged as debug messages. */
  changes: boolean;
  /** No answer at all when nothing is certain: dockerd takes each error answer to Get for "no such volume" and forgets it. */
  silentWhenUncertain: boolean;
  /** Reads the request's body. @throws `invalid`, before anything was done */
  parse(body: string): { volume?: string; run(call: Call): Promise<Answer> };
}

/** Milliseconds to undo a Mount that came too late. */
const TAKE_BACK_MS = 50_000;

const named = z.object({ Name: z.string() });
const mounted = named.extend({ ID: z.string().min(1) });
const created = named.extend({ Opts: z.record(z.string(), z.string()).nullish() });

const change = { limit: 'short', changes: true, silentWhenUncertain: false } as const;
const read = { limit: 'short', changes: false, silentWhenUncertain: false } as const;

/** All methods, by their path. */
export const verbs: Readonly<Record<string, Verb>> = {
  'Plugin.Activate': {
    ...read,
    parse: () => ({
      async run({ driver }) {
        driver.activated();
        return Promise.resolve({ Implements: ['VolumeDriver'] });
      },
    }),
  },
  'VolumeDriver.Capabilities': {
    ...read,
    parse: () => ({ run: async () => Promise.resolve({ Capabilities: { Scope: 'global' } }) }),
  },
  'VolumeDriver.Create': {
    ...change,
    limit: 'long',
    parse: parser(created, async ({ Name, Opts }, { driver, signal }) => {
      await driver.create(Name, Opts ?? {}, signal);
      return {};
    }),
  },
  'VolumeDriver.Remove': {
    ...change,
    parse: parser(named, async ({ Name }, { driver, signal }) => {
      await driver.remove(Name, signal);
      return {};
    }),
  },
  'VolumeDriver.Mount': {
    ...change,
    limit: 'long',
    parse: parser(mounted, mount),
  },
  'VolumeDriver.Unmount': {
    ...change,
    parse: parser(mounted, async ({ Name, ID }, { driver, signal }) => {
      await driver.unmount(Name, ID, signal);
      return {};
    }),
  },
  'VolumeDriver.Path': {
    ...read,
    parse: parser(named, async ({ Name }, { driver, signal }) => ({ Mountpoint: await driver.path(Name, signal) })),
  },
  'VolumeDriver.Get': {
    ...read,
    silentWhenUncertain: true,
    parse: parser(named, async ({ Name }, { driver, signal }) => {
      // dockerd asks for it at each start once it has stored a record without a name (docker plugin reference 4).
      if (Name === '') throw new DriverError('not-found', 'there is no volume without a name');
      return { Volume: { ...viewAnswer(await driver.get(Name, signal)), Name } };
    }),
  },
  'VolumeDriver.List': {
    ...read,
    silentWhenUncertain: true,
    // Its body says nothing, so that an empty one makes no difference.
    parse: () => ({
      run: async ({ driver, signal }) => ({
        Volumes: (await driver.list(signal)).map(({ name, mountpoint }) => ({ Name: name, Mountpoint: mountpoint })),
      }),
    }),
  },
};

async function mount({ Name, ID }: z.infer<typeof mounted>, { driver, signal, gone }: Call): Promise<Answer> {
  const mountpoint = checkMountpoint(Name, await driver.mount(Name, ID, signal));
  if (gone.aborted) {
    // dockerd never unmounts what it did not hear of (docker plugin reference 5).
    await driver.unmount(Name, ID, AbortSignal.timeout(TAKE_BACK_MS));
    throw new DriverError('unavailable', `volume ${Name} was mounted after nobody waited for it any more`, {
      rollback: 'done',
    });
  }
  return { Mountpoint: mountpoint };
}

function parser<T>(schema: z.ZodType<T>, run: (request: T, call: Call) => Promise<Answer>): Verb['parse'] {
  return (body) => {
    const request = schema.safeParse(parseJson(body));
    if (!request.success) {
      const problems = request.error.issues.map((issue) => `${issue.path.join('.') || 'body'}: ${issue.message}`);
      throw new DriverError(
        'invalid',
        `the request of dockerd cannot be understood (${problems.join('; ')}); nothing was done`,
      );
    }
    const name = named.safeParse(request.data);
    return {
      ...(name.success ? { volume: name.data.Name } : {}),
      run: async (call) => run(request.data, call),
    };
  };
}

function parseJson(body: string): unknown {
  if (body.trim() === '') {
    throw new DriverError(
      'invalid',
      'the request has an empty body, as dockerd sends it after a lost connection; nothing was done',
      {
        next: 'repeat the command',
      },
    );
  }
  try {
    return JSON.parse(body);
  } catch (error) {
    throw new DriverError('invalid', 'the body of the request is not JSON; nothing was done', { cause: error });
  }
}

function viewAnswer({ mountpoint, createdAt, status }: VolumeView): Answer {
  const birth = new Date(createdAt ?? '');
  // dockerd cannot decode any other form, and then takes the volume for missing.
  const time = Number.isNaN(birth.getTime()) ? {} : { CreatedAt: birth.toISOString() };
  return { Mountpoint: mountpoint, ...time, Status: status };
}

/** An empty path would show the container the runtime's own directory (docker plugin reference 3). */
function checkMountpoint(volume: string, mountpoint: string): string {
  if (isAbsolute(mountpoint)) return mountpoint;
  throw new DriverError(
    'internal',
    `volume ${volume} was mounted, but its path ${JSON.stringify(mountpoint)} is not one`,
  );
}
