/** A text that prints as `***` wherever it is written to; only `reveal()` gives it away. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return '***';
  }

  toJSON(): string {
    return '***';
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '***';
  }
}

/** A password, or the way to it when it has to be fetched first: again for each use, and in vain when it cannot be had now. */
export type Password = Secret | ((signal: AbortSignal) => Promise<Secret>);

/** @throws what the way to it throws: DriverError that tells why the password cannot be had */
export const openPassword = async (password: Password, signal: AbortSignal): Promise<Secret> =>
  password instanceof Secret ? password : password(signal);
