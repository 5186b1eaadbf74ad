import { DriverError } from './errors.js';
import type { Side } from './replication.js';

/** Seconds. */
export const LONGEST_OVERRIDE = 24 * 60 * 60;
const REASON_LIMIT = 300;
const SECONDS_OF = { s: 1, m: 60, h: 3600 } as const;

/**
 * An operator's word that one copy of a volume may be used although it is not proven to be the live one (rule 8). It lifts
 * rows 6 to 8 of the role table and the first half of rule 18, for this volume only. Its record ends by itself.
 */
export interface Override {
  volume: string;
  /** The volume's own identity: a later volume of the same name has nothing to do with it. */
  volumeId: string;
  side: Side;
  reason: string;
  /** Name of the node on which it was typed. */
  madeBy: string;
  /** ISO 8601, for people: no clock decides when it ends. */
  madeAt: string;
  until: string;
}

/** What an operator asks for. */
export interface OverrideRequest {
  volume: string;
  side: Side;
  seconds: number;
  reason: string;
}

/** What to type, for the `next:` of a refusal that an override can lift. */
export const overrideCommand = (volume: string, side: Side): string =>
  `hpe-volume-plugin override ${volume} --side ${side} --for 30m --reason TEXT`;

/** `45s`, `30m` or `2h` as seconds. @throws `invalid` */
export function parseDuration(text: string): number {
  const [, digits = '', unit] = /^([1-9]\d{0,5})([smh])$/.exec(text) ?? [];
  if (unit !== 's' && unit !== 'm' && unit !== 'h') {
    throw new DriverError(
      'invalid',
      `the duration ${JSON.stringify(text)} is not understood: it is like 45s, 30m or 2h`,
    );
  }
  return checkSeconds(Number(digits) * SECONDS_OF[unit]);
}

/** @throws `invalid` */
export function parseSide(text: string): Side {
  if (text === 'primary' || text === 'secondary') return text;
  throw new DriverError('invalid', `the side ${JSON.stringify(text)} is not understood: it is primary or secondary`);
}

/** The request, if its duration and its reason can be recorded. @throws `invalid` */
export function checkOverrideRequest(request: OverrideRequest): OverrideRequest {
  checkSeconds(request.seconds);
  const reason = checkReason(request.reason);
  return { ...request, reason };
}

/** A reason that can be recorded: one line. @throws `invalid` */
export function checkReason(text: string): string {
  const reason = text.trim();
  if (reason === '') throw new DriverError('invalid', 'the reason is empty: the next one on duty will want to read it');
  if (reason.length > REASON_LIMIT || /\p{Cc}/u.test(reason)) {
    throw new DriverError('invalid', `the reason has to be one line of at most ${REASON_LIMIT} characters`);
  }
  return reason;
}

function checkSeconds(seconds: number): number {
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= LONGEST_OVERRIDE) return seconds;
  throw new DriverError('invalid', `an override lasts from 1s to ${LONGEST_OVERRIDE / 3600}h`, {
    next: 'choose a shorter time; it can be repeated',
  });
}
