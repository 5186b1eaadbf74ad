import { Refusal } from './codes.js';

interface TextRule {
  max?: number;
  /** What every character has to be. */
  chars?: RegExp;
}

interface NumberRule {
  min?: number;
  max?: number;
  /** The array says TOO_LARGE (28) instead of EXCEEDS_RANGE (43): sizes and LUNs (reference 4.2, 5.2). */
  tooLarge?: boolean;
}

/** Names of volumes, hosts and groups: reference 4.2, 4.7. */
export const NAME: TextRule = { max: 31, chars: /^[A-Za-z0-9._-]+$/ };
export const COMMENT: TextRule = { max: 511 };

/**
 * The members of a request body, read one by one with the array's error numbers (reference 2.2: 12, 28, 39, 40, 43, 45, 46,
 * 57, 69, 115). `done` refuses what nobody asked for.
 */
export class Members {
  readonly #members: Map<string, unknown>;
  readonly #path: string;
  readonly #known = new Set<string>();

  constructor(body: unknown, path = '') {
    if (typeof body !== 'object' || body === null || Array.isArray(body)) {
      throw new Refusal(
        path === '' ? 'INV_INPUT' : 'WRONG_TYPE',
        `${path || 'body'} is not an object`,
        path || undefined,
      );
    }
    this.#members = new Map(Object.entries(body));
    this.#path = path;
  }

  has(name: string): boolean {
    return this.#members.has(name);
  }

  findText(name: string, rule: TextRule = {}): string | undefined {
    const value = this.#take(name);
    if (value === undefined) return undefined;
    const ref = this.#ref(name);
    if (typeof value !== 'string') throw new Refusal('WRONG_TYPE', `${ref} is not a string`, ref);
    // Only names have to say something: an empty comment is one.
    if (value === '' && rule.chars !== undefined) throw new Refusal('EMPTY_STR', `${ref} is empty`, ref);
    if (value.length > (rule.max ?? Infinity)) {
      throw new Refusal('EXCEEDS_LENGTH', `${ref} is longer than ${rule.max} characters`, ref);
    }
    if (rule.chars?.test(value) === false) throw new Refusal('ILLEGAL_CHAR', `${ref} has an illegal character`, ref);
    return value;
  }

  getText(name: string, rule: TextRule = {}): string {
    return this.#required(name, this.findText(name, rule));
  }

  findInteger(name: string, rule: NumberRule = {}): number | undefined {
    const value = this.#take(name);
    if (value === undefined) return undefined;
    const ref = this.#ref(name);
    if (typeof value !== 'number' || !Number.isInteger(value)) {
      throw new Refusal('WRONG_TYPE', `${ref} is not an integer`, ref);
    }
    if (value < (rule.min ?? -Infinity)) throw new Refusal('BELOW_RANGE', `${ref} is less than ${rule.min}`, ref);
    if (value > (rule.max ?? Infinity)) {
      throw new Refusal(rule.tooLarge ? 'TOO_LARGE' : 'EXCEEDS_RANGE', `${ref} is more than ${rule.max}`, ref);
    }
    return value;
  }

  getInteger(name: string, rule: NumberRule = {}): number {
    return this.#required(name, this.findInteger(name, rule));
  }

  findFlag(name: string): boolean | undefined {
    const value = this.#take(name);
    if (value === undefined) return undefined;
    const ref = this.#ref(name);
    if (typeof value !== 'boolean') throw new Refusal('WRONG_TYPE', `${ref} is not a boolean`, ref);
    return value;
  }

  flag(name: string): boolean {
    return this.findFlag(name) ?? false;
  }

  /** @throws BAD_ENUM_VALUE for a number that is not among `values` */
  findEnum<T extends number>(name: string, values: readonly T[]): T | undefined {
    const number = this.findInteger(name);
    if (number === undefined) return undefined;
    const value = values.find((each) => each === number);
    if (value === undefined)
      throw new Refusal('BAD_ENUM_VALUE', `${this.#ref(name)} has no value ${number}`, this.#ref(name));
    return value;
  }

  getEnum<T extends number>(name: string, values: readonly T[]): T {
    return this.#required(name, this.findEnum(name, values));
  }

  findTexts(name: string): string[] | undefined {
    return this.#findList(name)?.map((each) => {
      if (typeof each !== 'string')
        throw new Refusal('WRONG_TYPE', `${this.#ref(name)} has an element that is no string`, name);
      return each;
    });
  }

  findObject(name: string): Members | undefined {
    const value = this.#take(name);
    return value === undefined ? undefined : new Members(value, this.#ref(name));
  }

  findObjects(name: string): Members[] | undefined {
    return this.#findList(name)?.map((each, index) => new Members(each, `${this.#ref(name)}[${index}]`));
  }

  /** Members that are understood and need no simulation. */
  ignore(...names: string[]): void {
    for (const name of names) this.#known.add(name);
  }

  /** @throws Refusal 400/12 when members are left that nobody read */
  done(): void {
    const unknown = [...this.#members.keys()].find((name) => !this.#known.has(name));
    if (unknown !== undefined) {
      throw new Refusal('INV_INPUT', `unknown member ${this.#ref(unknown)}`, this.#ref(unknown));
    }
  }

  #take(name: string): unknown {
    this.#known.add(name);
    return this.#members.get(name);
  }

  #findList(name: string): unknown[] | undefined {
    const value = this.#take(name);
    if (value === undefined) return undefined;
    if (!Array.isArray(value)) throw new Refusal('WRONG_TYPE', `${this.#ref(name)} is not an array`, this.#ref(name));
    return value as unknown[];
  }

  #ref(name: string): string {
    return this.#path === '' ? name : `${this.#path}.${name}`;
  }

  #required<T>(name: string, value: T | undefined): T {
    if (value === undefined) throw new Refusal('MISSING_REQUIRED', `${this.#ref(name)} is required`, this.#ref(name));
    return value;
  }
}
