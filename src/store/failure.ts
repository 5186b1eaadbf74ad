import { setTimeout as pause } from 'node:timers/promises';
import { DriverError } from '../domain/errors.js';

/** The `code` of a system or library error, if it has one. */
export function errorCode(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}

/** What the error says, for the end of a sentence. */
export function errorText(error: unknown): string {
  return typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error);
}

/** How long somebody waits for etcd to hear that he is done. */
const FAREWELL_MS = 500;

/** Waits for the end of the work, but not for long: it goes on by itself. Tells why it failed. */
export async function briefly(work: Promise<unknown>, failed: (reason: string) => void): Promise<void> {
  const ended = work.then(
    () => undefined,
    (error: unknown) => failed(errorText(error)),
  );
  await Promise.race([ended, pause(FAREWELL_MS, undefined, { ref: false })]);
}

/** @throws the signal's own DriverError, or `unavailable` */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw abortError(signal);
}

/** Why the signal fired, as our error. */
export function abortError(signal: AbortSignal): DriverError {
  if (signal.reason instanceof DriverError) return signal.reason;
  return new DriverError('unavailable', 'the time ran out before the metadata were read', { cause: signal.reason });
}

/** What was put on a lease was refused, because the lease has ended. */
export const isLeaseGone = (error: unknown): boolean => errorText(error).includes('requested lease not found');
