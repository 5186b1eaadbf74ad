import type { Fence } from '../contracts/store.js';
import type { DriverError } from '../domain/errors.js';
import type { Group } from '../domain/replication.js';
import { lockLost } from './group-failures.js';
import { Seat } from './seat.js';
import type { SeenGroup } from './seen-group.js';

/** Volumes that one cycle admits or dismisses at most. */
const MAX_SEATS = 64;
/** How long a cycle waits for those aboard to be ready; who is later takes part in the next one. */
const BOARDING_MS = 10_000;

/** The group's lock, and its record as it is under that. */
export interface LockedRecord {
  fence: Fence;
  record: Group | undefined;
}

/** What a line needs of its group. */
export interface GroupWork {
  /** Waits for the group's lock. @throws `busy` */
  lock(): Promise<LockedRecord>;
  look(locked: LockedRecord): Promise<SeenGroup>;
  /** Does what the seats want; answers each of them, and never throws. Returns those for whom the time did not suffice. */
  run(fence: Fence, seen: SeenGroup, seats: Seat[]): Promise<Seat[]>;
}

/** Those who wait for one group. One cycle at a time; whoever comes while it runs waits for the next. */
export class GroupLine {
  readonly #work: GroupWork;
  #waiting: Seat[] = [];
  #aboard: Seat[] = [];
  #isRunning = false;
  #wake: () => void = () => undefined;

  constructor(work: GroupWork) {
    this.#work = work;
  }

  join(): Seat {
    const seat = new Seat((each) => this.#stirred(each));
    this.#enqueue([seat]);
    return seat;
  }

  #enqueue(seats: Seat[]): void {
    this.#waiting.push(...seats);
    this.#wake();
    if (this.#isRunning) return;
    this.#isRunning = true;
    void this.#run();
  }

  /** A seat that takes part when its cycle has gone without it waits for the next one. */
  #stirred(seat: Seat): void {
    const isThere = this.#aboard.includes(seat) || this.#waiting.includes(seat);
    if (!isThere && seat.isPending) this.#enqueue([seat]);
    this.#wake();
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const whoWaited = [...this.#waiting];
      try {
        await this.#cycle();
      } catch (thrown) {
        this.#refuse(whoWaited, lockLost(thrown));
      }
    }
    this.#isRunning = false;
  }

  /** Only those who had the whole time to wait; the others go on waiting. */
  #refuse(seats: Seat[], failure: DriverError): void {
    this.#waiting = this.#waiting.filter((seat) => !seats.includes(seat));
    for (const seat of seats) seat.refuse(failure);
  }

  async #cycle(): Promise<void> {
    const locked = await this.#work.lock();
    const { fence } = locked;
    try {
      const seen = await this.#work.look(locked);
      await this.#board(seen);
      const ready = this.#aboard.filter((seat) => seat.change !== undefined);
      this.#aboard = ready;
      const later = await this.#work.run(fence, seen, ready);
      this.#aboard = [];
      this.#waiting.unshift(...later);
    } finally {
      this.#aboard = [];
      await fence.release();
    }
  }

  async #board(seen: SeenGroup): Promise<void> {
    const until = performance.now() + BOARDING_MS;
    for (;;) {
      while (this.#aboard.length < MAX_SEATS) {
        const seat = this.#waiting.shift();
        if (seat === undefined) break;
        this.#aboard.push(seat);
        seat.open(seen);
      }
      if (this.#aboard.every((seat) => seat.isSettled)) return;
      if (!(await this.#stir(until - performance.now()))) return;
    }
  }

  /** Waits until somebody comes, takes part or leaves; false when the time is over. */
  async #stir(ms: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise((resolve) => {
        timer = setTimeout(() => resolve(false), Math.max(0, ms));
        this.#wake = () => resolve(true);
      });
    } finally {
      clearTimeout(timer);
      this.#wake = () => undefined;
    }
  }
}
