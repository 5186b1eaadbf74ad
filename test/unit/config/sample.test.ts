import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { loadConfig, parseConfig } from '../../../src/config/config.js';
import { findKey, KEY_NAMES } from '../../../src/config/keys.js';

const sample = fileURLToPath(new URL('../../../hpe.conf.sample', import.meta.url));

describe('hpe.conf.sample', () => {
  const text = readFileSync(sample, 'utf8');

  it('is a good file', () => {
    expect(loadConfig(sample).warnings).toEqual([]);
  });

  it('is one, too, with every optional key in use', () => {
    const used = text.replaceAll(/^#(?=\w+ = )/gm, '').replaceAll(/^#(?= {10})/gm, ' ');
    // A password comes from one place only.
    const one = used
      .replaceAll(/^ *(hpe3par|san)_password *[:=].*\n/gm, '')
      // The witness wants one mode and one WWN, the period another mode.
      .replace('replication_mode:asynchronous', 'replication_mode:synchronous')
      .replace(/^ *sync_period:.*\n/m, '')
      .replace('secondary_wwn = different', 'secondary_wwn = same');
    const { config, warnings } = parseConfig(one, 'x');
    expect(warnings).toEqual([]);
    expect(config.backends.get('DEFAULT')).toMatchObject({ loopbackFabric: '/var/lib/hpe-3par-sim/fabric' });
    expect(config.backends.get('DEFAULT')?.secondary).toMatchObject({
      caFile: '/etc/hpedockerplugin/array2.pem',
      hostKeyCheck: 'strict',
    });
  });

  it.each(KEY_NAMES.map((key) => [key, findKey(key)] as const))('has %s exactly where it belongs', (key, spec) => {
    const inSection = text.match(new RegExp(`^#?${key} = `, 'gm'))?.length ?? 0;
    const inDevice = text.match(new RegExp(`^(#? {10,}|replication_device = )${key}:`, 'gm'))?.length ?? 0;
    if (spec?.unused !== undefined) {
      expect([inSection, inDevice]).toEqual([0, 0]);
      expect(text).toContain(key);
      return;
    }
    expect(inSection).toBe(spec?.scope === 'replication' ? 0 : 1);
    expect(inDevice).toBe(spec?.scope === 'replication' || spec?.scope === 'array' ? 1 : 0);
  });
});
