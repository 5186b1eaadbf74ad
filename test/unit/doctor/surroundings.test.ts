import { describe, expect, it } from '@jest/globals';
import { judgeSurroundings } from '../../../src/commands/doctor-daemon.js';
import type { Config } from '../../../src/config/config.js';
import { isHealthy } from '../../../src/doctor/finding.js';

const service = { managed: false, isShown: true };
const managed = { managed: true, isShown: true };
const conf = (dockerTimeoutSeconds: number, ...hostCommandPrefix: string[]): Config =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  ({ dockerTimeoutSeconds, hostCommandPrefix }) as unknown as Config;
const ids = (...args: Parameters<typeof judgeSurroundings>): string[] => judgeSurroundings(...args).map(({ id }) => id);

describe('a managed plugin', () => {
  it("is told of dockerd's 30 s, whatever docker_timeout is, since Docker does not say what it gives", () => {
    expect(ids(conf(120, 'nsenter'), managed)).toEqual(['docker-timeout']);
    expect(ids(conf(30, 'nsenter'), managed)).toEqual(['docker-timeout']);
    const [long] = judgeSurroundings(conf(120), managed);
    expect(long?.seen).toContain('docker plugin inspect does not show');
    const [short] = judgeSurroundings(conf(30), managed);
    expect(short?.fix).toContain('docker_timeout = 120');
    expect(isHealthy(judgeSurroundings(conf(120), managed))).toBe(true);
  });

  it('whose daemon does not run is known by its prefix for the tools of the host', () => {
    expect(ids(conf(120, 'nsenter'), undefined)).toEqual(['docker-timeout']);
    expect(ids(conf(30, 'nsenter'), undefined)).toEqual([]);
  });

  it('is wrong when nobody outside sees what it mounts', () => {
    const findings = judgeSurroundings(conf(30), { ...managed, isShown: false });
    expect(findings.map(({ id }) => id)).toEqual(['mounts-hidden', 'docker-timeout']);
    expect(isHealthy(findings)).toBe(false);
  });
});

it('a service has nothing to do with it', () => {
  expect(ids(conf(120), service)).toEqual([]);
  expect(ids(conf(120), undefined)).toEqual([]);
});
