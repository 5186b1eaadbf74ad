import { readFileSync } from 'node:fs';
import type { Config } from './model.js';
import { ConfigError, type Problem } from './problem.js';

export type { ArrayConfig, BackendConfig, Config, Endpoint, EtcdConfig, ReplicationConfig } from './model.js';
export { ConfigError, describeProblem, type Problem } from './problem.js';

/** A usable configuration, and what its owner should know about the file. */
export interface ParsedConfig {
  config: Config;
  warnings: Problem[];
}

/** @throws ConfigError with every problem of the text, and nothing else */
export function parseConfig(_text: string, fileName: string): ParsedConfig {
  throw new ConfigError(fileName, []);
}

/** @throws ConfigError, also when the file cannot be read */
export function loadConfig(path: string): ParsedConfig {
  return parseConfig(readFileSync(path, 'utf8'), path);
}
