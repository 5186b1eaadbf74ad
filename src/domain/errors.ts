interface Kind {
  cause: string;
  /** What to do about a failure that does not say it itself. */
  next: string;
}

/** What went wrong, in the classes that callers act on. */
export const KINDS = {
  invalid: {
    cause: 'the request or hpe.conf is wrong; nothing was changed',
    next: 'correct what is named, and repeat',
  },
  'not-found': {
    cause: 'it is certainly not there',
    next: 'look at the names: docker volume ls, hpe-volume-plugin status',
  },
  exists: {
    cause: 'it is certainly there already, and not as asked for',
    next: 'take another name, or the options that it has',
  },
  busy: {
    cause: 'somebody else holds the volume, the group or a lock',
    next: 'try again; for a volume on another node stop its container there',
  },
  unavailable: {
    cause: 'an array, etcd or a tool gave no answer; nothing is known, nothing was decided',
    next: 'see which with: hpe-volume-plugin doctor; bring it back, and repeat',
  },
  refused: {
    cause: 'a safety rule, the array or a tool forbids it in the state that was seen',
    next: 'see that state with: hpe-volume-plugin status; do not work around it',
  },
  'unknown-outcome': {
    cause: 'it was sent, and the answer never came: the state is read before anything is repeated',
    next: 'see that the array answers; it is finished or undone then, and hpe-volume-plugin status shows what is open',
  },
  fenced: {
    cause: 'this node no longer owns what it was changing',
    next: 'see that etcd answers, and stop the container here if another node has its volume: what it writes is lost',
  },
  internal: {
    cause: 'a defect of the plugin',
    next: 'keep the log of the daemon, and report it',
  },
} as const satisfies Record<string, Kind>;

export type ErrorCode = keyof typeof KINDS;

interface DriverErrorOptions {
  /** What the reader should do now: a command to type or a thing to check. */
  next?: string;
  /** For a failed multi-step change: whether everything is as it was before. */
  rollback?: 'done' | 'pending';
  cause?: unknown;
}

/** The only error that reaches Docker. Its message is one line for a person at 3 a.m. and holds no secret. */
export class DriverError extends Error {
  readonly code: ErrorCode;
  readonly next: string | undefined;
  readonly rollback: 'done' | 'pending' | undefined;

  constructor(code: ErrorCode, message: string, options: DriverErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'DriverError';
    this.code = code;
    this.next = options.next;
    this.rollback = options.rollback;
  }

  /** The same failure told from further out: code and next step stay, this one becomes the cause. */
  reworded(message: string, rollback?: 'done' | 'pending'): DriverError {
    const next = this.next === undefined ? {} : { next: this.next };
    return new DriverError(this.code, message, {
      cause: this,
      ...next,
      ...(rollback === undefined ? {} : { rollback }),
    });
  }

  /** The text for Docker's user: what happened, whether it was rolled back, what to do next; always one line. */
  toUserText(): string {
    const parts = [this.message];
    if (this.rollback === 'done') parts.push('everything was rolled back');
    if (this.rollback === 'pending') parts.push('the rollback is not finished yet and goes on by itself');
    parts.push(`next: ${this.next ?? KINDS[this.code].next}`);
    return parts.join('; ').replace(/\s*[\r\n]+\s*/g, ' ');
  }
}

/** What somebody asked to be told. Not a failure: Docker shows a volume plugin's words only as an error. */
export class Explanation extends DriverError {
  readonly lines: readonly string[];

  constructor(lines: readonly string[]) {
    super('refused', lines.join('\n'));
    this.name = 'Explanation';
    this.lines = lines;
  }

  override toUserText(): string {
    return this.lines.join(' ');
  }
}

/** Any thrown value as a DriverError; what is not one already is a defect and says so. */
export function asDriverError(thrown: unknown): DriverError {
  if (thrown instanceof DriverError) return thrown;
  // By name, since an abort reason is a DOMException, which need not be an Error of this realm.
  const name = typeof thrown === 'object' && thrown !== null && 'name' in thrown ? thrown.name : undefined;
  if (name === 'AbortError' || name === 'TimeoutError') {
    // A wait that was aborted wraps the reason, which may be one of ours.
    if (thrown instanceof Error && thrown.cause instanceof DriverError) return thrown.cause;
    return new DriverError('unavailable', 'the time ran out, or the caller gave up', { cause: thrown });
  }
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return new DriverError('internal', `unexpected failure: ${text}`, { cause: thrown });
}

/** The compiler's proof that a union was handled to the last member. */
export function assertNever(value: never): never {
  throw new DriverError('internal', `unhandled case: ${JSON.stringify(value)}`);
}
