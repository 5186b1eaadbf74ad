import { z } from 'zod';

/** What goes wrong with a request; what each effect does is in wsapi.ts, for SSH in ssh.ts. */
export const FAULT_EFFECTS = [
  'error', // answered with status and code, not done
  'reset', // connection destroyed, not done
  'lost-reply', // done, then the connection is destroyed
  'done-but-error', // done, then answered with status and code
  'delay', // `ms` later, as usual
  'hang', // not done and never answered
  'ok-not-done', // answered as if done
  'late', // connection destroyed, done `ms` later
  'power-off', // the array loses power when it gets the request: not done
] as const;

const match = z.strictObject({
  method: z.string().optional(),
  /** On the path with its query, as in `/api/v1/volumes/x`. */
  pathRegex: z.string().optional(),
  commandRegex: z.string().optional(),
  /** The nth matching request from now on; 1 = the next. */
  nth: z.int().min(1).default(1),
});

/** Body of the control call `POST /faults`. */
export const faultSpec = z.strictObject({
  array: z.string(),
  match: match.prefault({}),
  effect: z.enum(FAULT_EFFECTS),
  status: z.int().min(100).max(599).default(500),
  code: z.int().default(1),
  ms: z.number().min(0).default(1000),
  /** For so many requests in a row. */
  times: z.int().min(1).default(1),
});

export type FaultSpec = z.input<typeof faultSpec>;
export type Fault = z.output<typeof faultSpec>;

/** What a fault is compared with. */
export type Occasion = { method: string; path: string } | { command: string };

interface ActiveFault {
  fault: Fault;
  path: RegExp | undefined;
  command: RegExp | undefined;
  seen: number;
}

/** The switched-on faults of both arrays. */
export class Faults {
  #active: ActiveFault[] = [];

  /** @throws SyntaxError when a pattern is no regular expression */
  add(spec: FaultSpec): void {
    const fault = faultSpec.parse(spec);
    const { pathRegex, commandRegex } = fault.match;
    this.#active.push({
      fault,
      path: pathRegex === undefined ? undefined : new RegExp(pathRegex),
      command: commandRegex === undefined ? undefined : new RegExp(commandRegex),
      seen: 0,
    });
  }

  list(): Fault[] {
    return this.#active.map((active) => active.fault);
  }

  clear(): void {
    this.#active = [];
  }

  /** Counts this request for every fault that matches it, and answers the first that strikes now. */
  take(array: string, occasion: Occasion): Fault | undefined {
    let struck: Fault | undefined;
    for (const active of this.#active) {
      if (active.fault.array !== array || !matches(active, occasion)) continue;
      active.seen += 1;
      const { nth } = active.fault.match;
      if (active.seen >= nth && active.seen < nth + active.fault.times) struck ??= active.fault;
    }
    this.#active = this.#active.filter(({ fault, seen }) => seen < fault.match.nth + fault.times - 1);
    return struck;
  }
}

function matches(active: ActiveFault, occasion: Occasion): boolean {
  const { method } = active.fault.match;
  if ('command' in occasion) {
    // A fault that names only WSAPI things never strikes a command.
    if (active.command === undefined) return method === undefined && active.path === undefined;
    return active.command.test(occasion.command);
  }
  if (active.command !== undefined) return false;
  if (method !== undefined && method !== occasion.method) return false;
  return active.path === undefined || active.path.test(occasion.path);
}
