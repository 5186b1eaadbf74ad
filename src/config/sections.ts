import { currentSpelling, findKey, nearestKey, shownKey } from './keys.js';
import type { Report } from './problem.js';
import type { Entry, Scan } from './scan.js';
import type { Setting } from './settings.js';

/** Where every other section finds what it does not say itself. */
export const SHARED_SECTION = 'backend_defaults';
export const DAEMON_SECTION = 'DEFAULT';

/** One section with its known keys; of a repeated key the last line counts, as it always did. */
export interface Section {
  name: string;
  line: number;
  settings: Map<string, Setting>;
  replicationDevice?: Entry;
}

/** The sections by name. Keys that are unknown, unused, repeated or out of place are reported. */
export function readSections({ sections, entries }: Scan, report: Report): Map<string, Section> {
  const found = new Map<string, Section>();
  for (const { name, line } of sections) found.set(name, { name, line, settings: new Map() });
  entries.forEach((entry, index) => {
    const section = found.get(entry.section);
    if (section === undefined) return;
    if (isUsable(section, { entry, above: entries[index - 1] }, report)) addEntry(section, entry, report);
  });
  return found;
}

function addEntry(section: Section, entry: Entry, report: Report): void {
  const key = currentSpelling(entry.key);
  const { line } = entry;
  const label = { section: section.name, key: entry.key, line };
  const earlier = section.settings.get(key);
  if (earlier !== undefined && key !== 'hpe3par_server_ip_pool') {
    const what = `the key is set again in line ${line}, and the last one counts`;
    report.warn({ ...label, line: earlier.line, what, fix: 'remove this line' });
  }
  const text = entry.lines
    .map((each) => each.text)
    .filter((each) => each !== '')
    .join('\n');
  section.settings.set(key, { section: section.name, key, sub: false, line, text });
  if (key === 'replication_device') {
    delete section.replicationDevice;
    if (text !== '') section.replicationDevice = { ...entry, key };
  }
  const isSecret = findKey(key)?.secret === true;
  if (isSecret && /\s[#;]/.test(text)) {
    const fix = 'nothing, if that is the password; a comment needs a line of its own';
    report.warn({ ...label, what: "the blank and the '#' or ';' after it were taken as part of the password", fix });
  }
}

/** Whether the key counts here. */
function isUsable(
  section: Section,
  { entry, above }: { entry: Entry; above: Entry | undefined },
  report: Report,
): boolean {
  const { key: written, line } = entry;
  const key = currentSpelling(written);
  const spec = findKey(key);
  const label = { section: section.name, key: written, line };
  if (spec === undefined) {
    const near = nearestKey(written, 'section');
    const fix = near === undefined ? 'remove it; hpe.conf.sample lists all keys' : `did you mean ${near}?`;
    const name = near === undefined && mayHoldSecret(above) ? {} : { key: shownKey(written) };
    report.error({ section: section.name, line, ...name, what: 'the key is unknown', fix });
    return false;
  }
  if (spec.scope === 'replication') {
    const fix = `write ${key}:… within replication_device, on a line that is indented`;
    report.error({ ...label, what: 'the key belongs to replication_device', fix });
    return false;
  }
  if (spec.unused !== undefined) {
    report.warn({ ...label, what: 'the key has no effect', fix: `remove it: ${spec.unused}` });
    return false;
  }
  if (spec.scope === 'daemon' && section.name !== DAEMON_SECTION) {
    const fix = `remove it, or move it to [${DAEMON_SECTION}]`;
    report.warn({ ...label, what: `the key has an effect only in [${DAEMON_SECTION}]`, fix });
    return false;
  }
  return true;
}

/** What stands below a password may be the rest of it, after a stray line end. */
function mayHoldSecret(entry: Entry | undefined): boolean {
  if (entry === undefined) return false;
  const key = currentSpelling(entry.key);
  return key === 'replication_device' || findKey(key)?.secret === true;
}
