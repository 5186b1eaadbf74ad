/** A container that runs and uses a volume. */
export interface Container {
  id: string;
  name: string;
  /** Names of all volumes that it uses. */
  volumes: string[];
}

/** The Docker engine of this host, by its API. Throws DriverError only. */
export interface Engine {
  /** Containers that run, paused ones too, with one of those volumes. */
  using(volumes: readonly string[]): Promise<Container[]>;
  /** Not running, or gone, already is success. */
  stop(id: string): Promise<void>;
  /** Running already is success. @throws `not-found`, or `refused` with the engine's own words */
  start(id: string): Promise<void>;
}
