/**
 * What went wrong, in the classes that callers act on:
 * - `invalid`: the request or the configuration is wrong; nothing was changed
 * - `not-found` / `exists`: the object is certainly absent / certainly there
 * - `busy`: somebody else holds the volume or the lock; try again later
 * - `unavailable`: an array, etcd or a tool gave no answer; nothing is known, nothing was decided
 * - `refused`: a safety rule forbids it in the state that was seen
 * - `unknown-outcome`: the request was sent, the answer never came; the state has to be read before anything is repeated
 * - `fenced`: this node no longer owns what it was changing
 * - `internal`: a defect of ours
 */
export type ErrorCode =
  'invalid' | 'not-found' | 'exists' | 'busy' | 'unavailable' | 'refused' | 'unknown-outcome' | 'fenced' | 'internal';

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
    if (this.next !== undefined) parts.push(`next: ${this.next}`);
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
