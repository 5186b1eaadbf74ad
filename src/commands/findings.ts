import { DriverError } from '../domain/errors.js';
import type { Finding } from '../domain/verify-group.js';

const WORDS: Record<Finding['level'], string> = { ok: 'ok   ', note: 'note ', wrong: 'WRONG' };

export const findingLines = (findings: Finding[]): string[] =>
  findings.map(({ level, text }) => `${WORDS[level]}  ${text}`);

export const notRight = (group: string, wrong: string[]): DriverError =>
  new DriverError('refused', `group ${group} is not as it has to be: ${wrong.join('; ')}`, {
    next: 'stop what uses the wrong copy, and see hpe-volume-plugin status',
  });
