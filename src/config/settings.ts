import { findKey, findKeyInside } from './keys.js';
import type { Report } from './problem.js';
import type { SecretFile } from './secret-file.js';
import { absolutePath, quoted, secretPath, type ValueType } from './values.js';

/** One value as the file has it. */
export interface Setting {
  section: string;
  /** In today's spelling; the bare name also for a sub-key of replication_device. */
  key: string;
  /** Sub-key of replication_device. */
  sub: boolean;
  line: number;
  /** Lines joined with a line feed. */
  text: string;
}

/** A section, or replication_device within one; for messages about what is missing. */
export interface Place {
  section: string;
  line: number;
  sub: boolean;
}

export type Layer = ReadonlyMap<string, Setting>;

/** The values of one section or one replication_device. The first layer that has a key counts; an empty value is none. */
export class Settings {
  readonly place: Place;
  readonly #layers: readonly Layer[];
  readonly #report: Report;

  constructor(place: Place, layers: readonly Layer[], report: Report) {
    this.place = place;
    this.#layers = layers;
    this.#report = report;
  }

  find(key: string): Setting | undefined {
    return this.#layers.map((layer) => layer.get(key)).find((setting) => setting !== undefined && setting.text !== '');
  }

  /** The value; undefined when it is absent, or wrong, which is reported. */
  read<T>(key: string, type: ValueType<T>): T | undefined {
    const setting = this.find(key);
    if (setting === undefined || this.#reportRunOn(setting)) return undefined;
    const result = type.schema.safeParse(setting.text);
    if (result.success) return result.data;
    const comment = /\s[#;]/.test(setting.text) ? ' (a comment needs a line of its own)' : '';
    for (const { message } of result.error.issues) {
      // A message that begins with a quote names the part of a list that is wrong.
      const what = message.startsWith('"') ? message : `${shown(setting)} ${message}`;
      this.#report.error({ ...labelOf(setting), what: `${what}${comment}`, fix: type.right });
    }
    return undefined;
  }

  /** Those of the keys that have a value in the first layer that has any of them. */
  nearest(keys: readonly string[]): Setting[] {
    for (const layer of this.#layers) {
      const found = keys.map((key) => layer.get(key)).filter((setting) => setting !== undefined);
      const given = found.filter(({ text }) => text !== '');
      if (given.length > 0) return given;
    }
    return [];
  }

  /** The path of a file that has to be readable; what is wrong is reported. */
  readFile(key: string): string | undefined {
    const file = this.read(key, absolutePath);
    const reason = file === undefined ? undefined : this.#report.files.canRead(file);
    if (file !== undefined && reason !== undefined) {
      const what = `${quoted(file)} cannot be read: ${reason}`;
      this.complain('error', key, { what, fix: 'name a file that the plugin can read' });
    }
    return file;
  }

  /** What the file holds that the key names; what is wrong is reported, without the path, which may be a password instead. */
  readSecret(key: string): SecretFile | undefined {
    const file = this.read(key, secretPath);
    const found = file === undefined ? undefined : this.#report.files.readSecret(file);
    if (found === undefined || !('problem' in found)) return found;
    const what = `there is no secret in the file that it names: ${found.problem}`;
    this.complain('error', key, { what, fix: 'name a file that holds one line, the secret' });
    return undefined;
  }

  /** The value, whose absence is reported too. */
  require<T>(key: string, type: ValueType<T>): T | undefined {
    if (this.find(key) === undefined) {
      const example = findKey(key)?.example ?? '…';
      const line = this.place.sub ? `${key}:${example},` : `${key} = ${example}`;
      const empty = this.#layers[0]?.get(key);
      if (empty === undefined) this.missing(key, `add the line "${line}"`);
      else this.#report.error({ ...labelOf(empty), what: 'has no value', fix: `write "${line}"` });
    }
    return this.read(key, type);
  }

  missing(key: string, fix: string): void {
    this.#report.error({ ...labelOf({ ...this.place, key }), what: 'is missing', fix });
  }

  /** Reports something about a key that is there. */
  complain(severity: 'error' | 'warn', key: string, problem: { what: string; fix: string }): void {
    const setting = this.find(key) ?? { ...this.place, key };
    this.#report[severity]({ ...labelOf(setting), ...problem });
  }

  /** A value that swallowed the next key. It is not printed: the next key may be a password. */
  #reportRunOn(setting: Setting): boolean {
    const spec = findKey(setting.key);
    const severalLines = setting.text.includes('\n');
    // A password in a section of its own line may hold anything.
    const inside = spec?.secret === true && !setting.sub && !severalLines ? undefined : findKeyInside(setting.text);
    if (inside === undefined && (!severalLines || spec?.list === true)) return false;
    this.#report.error({
      ...labelOf(setting),
      what: inside === undefined ? 'the value goes over several lines' : `${inside} stands in the middle of the value`,
      fix: setting.sub
        ? `put a comma after the value, before ${inside ?? 'the next sub-key'}`
        : `start ${inside ?? 'the next key'} in the first column of a line of its own`,
    });
    return true;
  }
}

/** Section, key and line, as messages have them. */
export function labelOf(setting: { section: string; key: string; sub: boolean; line: number }) {
  const key = setting.sub ? `replication_device.${setting.key}` : setting.key;
  return { section: setting.section, key, line: setting.line };
}

/** Values that are or may hold a password are not shown. */
function shown({ key, text }: Setting): string {
  const spec = findKey(key);
  return spec?.secret === true || spec?.besideSecret === true ? 'the value' : quoted(text);
}
