import { renameSync, writeFileSync } from 'node:fs';

/** A wall clock that can be set while processes look at it; the monotonic clock and the times of files stay as they are. */
export class WallClock {
  /** For the processes that go by it. */
  readonly env: Record<string, string>;
  readonly #file: string;

  /** Right at first. The state is kept in that file. */
  constructor(file: string) {
    this.#file = file;
    this.env = {
      // ld.so knows the folder of this machine's libraries.
      LD_PRELOAD: '/usr/$LIB/faketime/libfaketimeMT.so.1',
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      NO_FAKE_STAT: '1',
    };
    this.set(0);
  }

  /** So many days before or after the right time, from now on. */
  set(daysOff: number): void {
    writeFileSync(`${this.#file}.new`, `${daysOff < 0 ? '' : '+'}${daysOff}d\n`);
    renameSync(`${this.#file}.new`, this.#file);
  }
}
