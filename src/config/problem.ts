import { DriverError } from '../domain/errors.js';
import type { ReadSecret } from './secret-file.js';

/** Something in hpe.conf that is wrong, or only worth a word. Holds no secret. */
export interface Problem {
  section: string;
  /** `replication_device.san_ip` for a sub-key. */
  key?: string;
  /** Counted from 1; absent when something is missing from the whole file. */
  line?: number;
  what: string;
  /** What would be right. */
  fix: string;
}

/** hpe.conf cannot be used. The message holds every problem, one a line. */
export class ConfigError extends DriverError {
  readonly problems: readonly Problem[];

  constructor(fileName: string, problems: readonly Problem[]) {
    super('invalid', problems.map((problem) => describeProblem(fileName, problem)).join('\n'), {
      next: 'correct the file and start the plugin again',
    });
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** More than that of one value tells nobody anything. */
const LONGEST_WHAT = 500;

/** `hpe.conf:12: [DEFAULT] san_ip: what is wrong; fix: what would be right`: one line, whatever the file holds */
export function describeProblem(fileName: string, problem: Problem): string {
  const place = problem.line === undefined ? fileName : `${fileName}:${problem.line}`;
  const key = problem.key === undefined ? '' : ` ${problem.key}`;
  const [section, what, fix] = [problem.section, problem.what, problem.fix].map(shortened);
  return printable(`${place}: [${section}]${shortened(key)}: ${what}; fix: ${fix}`);
}

const shortened = (text: string): string => (text.length > LONGEST_WHAT ? `${text.slice(0, LONGEST_WHAT)}…` : text);

/** It goes to a terminal. */
const printable = (line: string): string => line.replaceAll(/[\p{Cc}\u2028\u2029]/gu, '?');

/** Why a file that hpe.conf names cannot be read; undefined if it can. */
export type CanRead = (file: string) => string | undefined;

/** How the files that hpe.conf names are looked at. */
export interface Files {
  canRead: CanRead;
  readSecret: ReadSecret;
}

/** Collects what is found while a file is read, each finding once, and sorts it by line. */
export class Report {
  readonly files: Files;
  readonly #errors = new Map<string, Problem>();
  readonly #warnings = new Map<string, Problem>();

  constructor(files: Files) {
    this.files = files;
  }

  error(problem: Problem): void {
    this.#errors.set(JSON.stringify(problem), problem);
  }

  warn(problem: Problem): void {
    this.#warnings.set(JSON.stringify(problem), problem);
  }

  get errors(): Problem[] {
    return byLine(this.#errors.values());
  }

  get warnings(): Problem[] {
    return byLine(this.#warnings.values());
  }
}

const byLine = (problems: Iterable<Problem>): Problem[] =>
  [...problems].toSorted((a, b) => (a.line ?? Infinity) - (b.line ?? Infinity) || 0);
