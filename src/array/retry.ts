import { setTimeout as pause } from 'node:timers/promises';
import { DriverError } from '../domain/errors.js';
import { overdueTimersHaveFired } from '../domain/overdue-timers.js';
import { ownTurn } from '../domain/own-turn.js';
import { NoReply, type Transport, type WsapiReply, type WsapiRequest } from './transport.js';

/** A dead array should be called dead soon; a busy one (503: all sessions or workers in use) deserves more patience. */
const CONNECT_TRIES = 3;
const BUSY_TRIES = 8;
const FIRST_PAUSE_MS = 150;
const LONGEST_PAUSE_MS = 4_000;

export interface PatientCall {
  request: WsapiRequest;
  /** May be sent again although the array may have acted on it. */
  repeatable: boolean;
}

/**
 * One exchange, repeated with growing, jittered pauses while the array is busy or out of reach, until the signal fires.
 * What is not repeatable is sent again only when the array certainly did not act on it, and never under a lock that has run
 * out meanwhile. @throws NoReply, or the DriverError that the signal fired with before anything was sent
 */
export async function exchangePatiently(
  transport: Transport,
  { request, repeatable }: PatientCall,
  signal: AbortSignal,
): Promise<WsapiReply> {
  for (let attempt = 1; ; attempt += 1) {
    await ownTurn();
    if (!repeatable) await overdueTimersHaveFired();
    if (signal.reason instanceof DriverError) throw signal.reason;
    if (signal.aborted) throw new NoReply('the time ran out before it was sent', { sent: false });
    try {
      const reply = await transport.exchange(request, signal);
      if (reply.status !== 503 || attempt >= BUSY_TRIES || !(await waited(attempt, signal))) return reply;
    } catch (thrown) {
      if (!(thrown instanceof NoReply) || signal.aborted || thrown.final) throw thrown;
      if ((thrown.sent && !repeatable) || attempt >= CONNECT_TRIES) throw thrown;
      if (!(await waited(attempt, signal))) throw thrown;
    }
  }
}

/** False when the signal fired first. */
async function waited(attempt: number, signal: AbortSignal): Promise<boolean> {
  const longest = Math.min(FIRST_PAUSE_MS * 2 ** attempt, LONGEST_PAUSE_MS);
  try {
    await pause(longest * (0.5 + Math.random() / 2), undefined, { signal });
    return true;
  } catch {
    return false;
  }
}
