import { DriverError } from '../domain/errors.js';

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

/** `hpe.conf:12: [DEFAULT] san_ip: what is wrong; fix: what would be right` */
export function describeProblem(fileName: string, problem: Problem): string {
  const place = problem.line === undefined ? fileName : `${fileName}:${problem.line}`;
  const key = problem.key === undefined ? '' : ` ${problem.key}`;
  return `${place}: [${problem.section}]${key}: ${problem.what}; fix: ${problem.fix}`;
}

/** Why a file that hpe.conf names cannot be read; undefined if it can. */
export type CanRead = (file: string) => string | undefined;

/** Collects what is found while a file is read, each finding once, and sorts it by line. */
export class Report {
  readonly canRead: CanRead;
  readonly #errors = new Map<string, Problem>();
  readonly #warnings = new Map<string, Problem>();

  constructor(canRead: CanRead) {
    this.canRead = canRead;
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
