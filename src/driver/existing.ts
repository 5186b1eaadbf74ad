import { DriverError } from '../domain/errors.js';

type Value = string | number | undefined;
/** What an option is called, what is asked for, and what is on record. */
export type Compared = [option: string, wanted: Value, found: Value];

/** A volume of that name is there. The same command again is success, as dockerd repeats it on each node. @throws `exists` naming each difference */
export function refuseDifferent(name: string, compared: Compared[]): void {
  refuseDifferences(
    name,
    compared
      .filter(([, wanted, found]) => wanted !== found)
      .map(([option, wanted, found]) => `${option}: wanted ${wanted ?? 'none'}, is ${found ?? 'none'}`),
  );
}

/** The same, by what was compared before. @throws `exists` */
export function refuseDifferences(name: string, differences: string[]): void {
  if (differences.length === 0) return;
  const text = `volume ${name} exists already with other options (${differences.join('; ')})`;
  throw new DriverError('exists', text, { next: 'use it as it is, or choose another name' });
}
