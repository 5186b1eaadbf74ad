import { readFileSync, statSync } from 'node:fs';
import { readBackend } from './backend.js';
import { readDaemon, type Surroundings } from './daemon.js';
import type { BackendConfig, Config } from './model.js';
import { ConfigError, Report, type Files, type Problem } from './problem.js';
import { scan } from './scan.js';
import { readSecretFile } from './secret-file.js';
import { DAEMON_SECTION, readSections, SHARED_SECTION, type Section } from './sections.js';
import { Settings, type Layer } from './settings.js';

export type { ArrayConfig, BackendConfig, Config, Endpoint, EtcdConfig, ReplicationConfig } from './model.js';
export type { Surroundings } from './daemon.js';
export { ConfigError, describeProblem, type Problem } from './problem.js';

/** A usable configuration, and what its owner should know about the file. */
export interface ParsedConfig {
  config: Config;
  warnings: Problem[];
}

/** @throws ConfigError, also when the file cannot be read */
export function loadConfig(path: string, started: Surroundings = {}): ParsedConfig {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const fix = 'name the file with --config, and start from hpe.conf.sample';
    throw new ConfigError(path, [{ section: DAEMON_SECTION, what: `the file cannot be read: ${reason}`, fix }]);
  }
  if (text.includes('\0')) {
    const what = 'the file is no UTF-8 text: it holds NUL characters';
    throw new ConfigError(path, [{ section: DAEMON_SECTION, what, fix: 'save it as UTF-8, not as UTF-16' }]);
  }
  return parseConfig(text, path, { canRead: whyUnreadable, readSecret: readSecretFile, ...started });
}

function whyUnreadable(file: string): string | undefined {
  try {
    // Asked first: reading a pipe would wait for its writer.
    if (!statSync(file).isFile()) return 'it is not a file';
    readFileSync(file);
    return undefined;
  } catch (error) {
    // What follows the comma is the path once more.
    return String(error).replace(/^Error: |,.*/gs, '');
  }
}

const nothingRead: Files = { canRead: () => undefined, readSecret: () => ({ text: 'not read' }) };

/**
 * Looks at no file itself; those that the text names are as `files` says.
 * @throws ConfigError with every problem of the text, and nothing else
 */
export function parseConfig(text: string, fileName: string, given: Partial<Files> & Surroundings = {}): ParsedConfig {
  const report = new Report({ ...nothingRead, ...given });
  const sections = readSections(scan(text, report), report);
  const daemon = readDaemon(settingsOf(sections, DAEMON_SECTION, report), given);
  const backends = new Map<string, BackendConfig>();
  for (const section of backendSections(sections, report)) {
    const device = section.replicationDevice ?? sharedSection(sections, section)?.replicationDevice;
    const backend = readBackend(settingsOf(sections, section.name, report), { device, report });
    if (backend !== undefined) backends.set(section.name, backend);
  }
  if (report.errors.length > 0) throw new ConfigError(fileName, report.errors);
  return { config: { ...daemon, backends }, warnings: report.warnings };
}

/** Keys that count for every section when [DEFAULT] has them. */
const GLOBAL_KEYS = ['strict_ssh_host_key_policy', 'ssh_hosts_key_file', 'password_key_file'];

/** A section does not inherit from [DEFAULT], except for the checks of SSH host keys (reference 9.1) and the key file. */
function settingsOf(sections: Map<string, Section>, name: string, report: Report): Settings {
  const section = sections.get(name);
  const layers: (Layer | undefined)[] = [section?.settings];
  if (section !== undefined && name !== DAEMON_SECTION) {
    layers.push(sharedSection(sections, section)?.settings);
    const global = [...(sections.get(DAEMON_SECTION)?.settings ?? [])];
    layers.push(new Map(global.filter(([key]) => GLOBAL_KEYS.includes(key))));
  }
  const place = { section: name, line: section?.line ?? 1, sub: false };
  return new Settings(
    place,
    layers.filter((layer) => layer !== undefined),
    report,
  );
}

const sharedSection = (sections: Map<string, Section>, section: Section): Section | undefined =>
  section.name === DAEMON_SECTION ? undefined : sections.get(SHARED_SECTION);

/** [DEFAULT] is a backend too, unless it says nothing about an array and another section does. */
function backendSections(sections: Map<string, Section>, report: Report): Section[] {
  const all = [...sections.values()].filter(({ name }) => name !== SHARED_SECTION);
  const main = sections.get(DAEMON_SECTION);
  if (main === undefined) {
    const near = all.find(({ name }) => name.toUpperCase() === DAEMON_SECTION);
    report.error({
      section: DAEMON_SECTION,
      ...(near === undefined ? {} : { line: near.line }),
      what: 'the section is missing',
      fix: near === undefined ? 'add [DEFAULT] with its keys' : `write [DEFAULT] instead of [${near.name}]`,
    });
    return all;
  }
  const others = all.filter((section) => section !== main);
  const isDaemonOnly =
    others.length > 0 &&
    !['hpedockerplugin_driver', 'hpe3par_api_url', 'hpe3par_cpg', 'san_ip'].some((key) => main.settings.has(key));
  if (!isDaemonOnly) return all;
  const what = 'the section describes no array, so there is no backend DEFAULT';
  report.warn({ section: main.name, line: main.line, what, fix: 'name a backend with every volume: -o backend=NAME' });
  return others;
}
