import { DriverError } from '../domain/errors.js';

/** Names of volumes, hosts, groups, targets, and initiators: what may stand in a path or a query (reference 4.2). */
const SAFE_NAME = /^[A-Za-z0-9][A-Za-z0-9._:-]*$/;

/** A name as one segment of a path. @throws `internal` for a name that no array object can have */
export function segment(name: string): string {
  return encodeURIComponent(safeName(name));
}

/** A query as the array wants it: quoted inside, encoded outside (reference 5.2). */
export function query(collection: string, condition: string): string {
  return `${collection}?query=${encodeURIComponent(`"${condition}"`)}`;
}

/** Whether an array object of that name, which the array has told us, can be asked for. */
export const isSafeName = (name: string): boolean => SAFE_NAME.test(name);

/** @throws `internal` */
export function safeName(name: string): string {
  if (!isSafeName(name)) throw new DriverError('internal', `${JSON.stringify(name)} is no name of an array object`);
  return name;
}
