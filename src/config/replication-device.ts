import { currentSpelling, findKey, nearestKey, shownKey } from './keys.js';
import type { Report } from './problem.js';
import type { Entry, ValueLine } from './scan.js';
import { labelOf, type Layer, type Setting } from './settings.js';

/** What stands between two sub-keys; without a key it is what a line begins with before its first sub-key. */
interface Segment {
  key?: string;
  text: string;
  line: number;
  /** A comma ends it, so that nothing on the next line can belong to it. */
  closed: boolean;
}

/**
 * The sub-keys of a replication_device (reference 9.3): `key:value` items separated by commas. What people wrote, and what the
 * old documentation printed, is read as it was meant: the end of a line separates like a comma, `=` stands for `:`, and
 * a comma within a password or a list of addresses is part of it.
 */
export function readReplicationDevice(entry: Entry, report: Report): Layer {
  const reader = new DeviceReader(entry, report);
  for (const line of entry.lines) {
    for (const segment of cutAtKeys(line)) reader.take(segment);
  }
  return reader.found;
}

const KEY_START = /(^|,)\s*([\w.-]+)\s*[:=]/g;

function cutAtKeys({ text, line }: ValueLine): Segment[] {
  const starts = [...text.matchAll(KEY_START)]
    .map((match) => ({ key: currentSpelling(match[2] ?? ''), from: match.index, to: match.index + match[0].length }))
    .filter(({ key }) => findKey(key) !== undefined);
  const bounds = [{ key: undefined, from: 0, to: 0 }, ...starts];
  return bounds.flatMap(({ key, to }, index) => {
    const next = bounds[index + 1];
    const raw = text.slice(to, next?.from).trim();
    const value = withoutEnd(raw);
    const closed = next !== undefined || raw.endsWith(',');
    if (key === undefined) return value === '' ? [] : [{ text: value, line, closed }];
    return [{ key, text: value, line, closed }];
  });
}

/** Without the commas and blanks at its end; a regular expression would look at each run of blanks again and again. */
function withoutEnd(text: string): string {
  let end = text.length;
  while (end > 0 && /[,\s]/.test(text.charAt(end - 1))) end -= 1;
  return text.slice(0, end);
}

class DeviceReader {
  readonly found = new Map<string, Setting>();
  readonly #entry: Entry;
  readonly #report: Report;
  #last: { setting: Setting; closed: boolean } | undefined;

  constructor(entry: Entry, report: Report) {
    this.#entry = entry;
    this.#report = report;
  }

  take(segment: Segment): void {
    if (segment.key !== undefined) this.#takeItem(segment.key, segment);
    else if (!this.#continues(segment.text)) this.#complain(segment.text, segment.line, this.#isInSecret());
    else if (this.#last !== undefined) {
      this.#last.setting.text += `\n${segment.text}`;
      this.#last.closed = segment.closed;
    }
  }

  #takeItem(key: string, { text, line, closed }: Segment): void {
    const [first = '', ...rest] = text.split(',');
    const own = rest.findIndex((piece) => !belongsTo(key, piece));
    const kept = own === -1 ? rest : rest.slice(0, own);
    const setting: Setting = {
      section: this.#entry.section,
      key,
      sub: true,
      line,
      text: [first, ...kept].join(',').trim(),
    };
    this.#add(setting);
    this.#last = { setting, closed };
    if (kept.length > 0 && isSecret(key)) {
      const fix = 'nothing, if the password holds a comma; else write the sub-key after the comma as key:value';
      this.#report.warn({ ...labelOf(setting), what: 'a comma was taken as part of the password', fix });
    }
    for (const piece of rest.slice(kept.length)) {
      if (piece.trim() !== '') this.#complain(piece, line, isSecret(key));
    }
  }

  /** The last item is a password that no comma ended. */
  #isInSecret(): boolean {
    return this.#last !== undefined && !this.#last.closed && isSecret(this.#last.setting.key);
  }

  #add(setting: Setting): void {
    const scope = findKey(setting.key)?.scope;
    const label = labelOf(setting);
    if (scope === 'daemon' || scope === 'backend') {
      const fix = `write ${setting.key} = … on a line of its own, in the section`;
      this.#report.error({ ...label, what: 'the key has no meaning within replication_device', fix });
    } else if (this.found.has(setting.key)) {
      this.#report.error({ ...label, what: 'the sub-key is there twice', fix: 'remove one of the two' });
    } else this.found.set(setting.key, setting);
  }

  /** Whether a line that begins without a known sub-key goes on with the list of the line before. */
  #continues(text: string): boolean {
    if (this.#last === undefined || misspelt(text) !== undefined) return false;
    const { setting, closed } = this.#last;
    if (setting.key === 'hpe3par_iscsi_ips') return !closed || looksLikeAddress(text);
    return !closed && findKey(setting.key)?.list === true;
  }

  /** A piece that may be the rest of a password is not named. */
  #complain(text: string, line: number, mayBeSecret: boolean): void {
    const word = wordBefore(text);
    const near = misspelt(text);
    const name = mayBeSecret && near === undefined ? undefined : word;
    this.#report.error({
      section: this.#entry.section,
      key: name === undefined ? this.#entry.key : `${this.#entry.key}.${shownKey(name)}`,
      line,
      what: word === undefined ? 'a piece between two commas is not key:value' : 'the sub-key is unknown',
      fix: near === undefined ? NO_SUCH_KEY : `did you mean ${near}?`,
    });
  }
}

const NO_SUCH_KEY =
  'write key:value with a sub-key that hpe.conf.sample lists, or remove it; blanks separate the pairs of a map';

const isSecret = (key: string): boolean => findKey(key)?.secret === true;

const wordBefore = (text: string): string | undefined => /^\s*([\w.-]+)\s*[:=]/.exec(text)?.[1];

/** The sub-key that the text begins with, if it is only misspelt. */
function misspelt(text: string): string | undefined {
  const word = wordBefore(text);
  return word === undefined ? undefined : nearestKey(word, 'replication_device');
}

/** Whether the piece after a comma is still part of that key's value. */
function belongsTo(key: string, piece: string): boolean {
  if (misspelt(piece) !== undefined) return false;
  return isSecret(key) || (key === 'hpe3par_iscsi_ips' && piece.trim() !== '');
}

const looksLikeAddress = (text: string): boolean => /^[\d.]+(:\d+)?([\s,;]|$)/.test(text) || text.startsWith('[');
