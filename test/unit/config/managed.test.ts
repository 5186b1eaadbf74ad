import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { parseConfig, type Config, type Surroundings } from '../../../src/config/config.js';
import { MANAGED_MOUNT_PREFIX } from '../../../src/config/daemon.js';

const read = (name: string): string => readFileSync(new URL(`../../../${name}`, import.meta.url), 'utf8');
const good = read('test/fixtures/hpe-conf/good.conf').replaceAll(
  /^(mount_prefix|docker_timeout|host_command).*\n/gm,
  '',
);

function configOf(started: Surroundings, line = ''): Config {
  const text = good.replace('[DEFAULT]\n', `[DEFAULT]\n${line}\n`);
  expect(text).not.toBe(good);
  return parseConfig(text, 'hpe.conf', started).config;
}

describe('a managed plugin', () => {
  it('has its own mount prefix, prefix of tools and patience of Docker, unless hpe.conf has others', () => {
    expect(configOf({ managed: true })).toMatchObject({
      mountPrefix: MANAGED_MOUNT_PREFIX,
      dockerTimeoutSeconds: 30,
      hostCommandPrefix: ['nsenter', '--mount=/proc/1/ns/mnt', '--ipc=/proc/1/ns/ipc', '--'],
    });
    expect(configOf({ managed: true }, 'docker_timeout = 120').dockerTimeoutSeconds).toBe(120);
    expect(configOf({ managed: true }, 'host_command_prefix = chroot /host').hostCommandPrefix).toEqual([
      'chroot',
      '/host',
    ]);
    const service = configOf({});
    expect(service).toMatchObject({ dockerTimeoutSeconds: 120, hostCommandPrefix: [] });
    expect(service.mountPrefix).toBeUndefined();
  });

  it('mounts nowhere but below the propagated mount: containers would write to the root disk instead', () => {
    for (const outside of ['/mnt', '/opt/hpe/data2', '/opt/hpe/data/../x', '/opt/hpe']) {
      expect(() => configOf({ managed: true }, `mount_prefix = ${outside}`)).toThrow(
        `containers see nothing of what a managed plugin mounts outside of ${MANAGED_MOUNT_PREFIX}`,
      );
      expect(configOf({}, `mount_prefix = ${outside}`).mountPrefix).toBe(outside);
    }
    for (const inside of ['/opt/hpe/data', '/opt/hpe/data/', '/opt/hpe/data/volumes']) {
      expect(configOf({ managed: true }, `mount_prefix = ${inside}`).mountPrefix).toBe(inside);
    }
  });

  it('takes its log level from the environment, if that has one', () => {
    expect(configOf({ managed: true, logLevel: 'DEBUG' }).logging).toBe('debug');
    expect(configOf({ managed: true, logLevel: '' }).logging).toBe(parseConfig(good, 'hpe.conf').config.logging);
    expect(() => configOf({ managed: true, logLevel: 'loud' })).toThrow('none of the possible words');
  });

  it('config.json propagates the directory that it mounts below', () => {
    const {
      propagatedMount,
      interface: { socket },
    } = JSON.parse(read('config.json')) as {
      propagatedMount: string;
      interface: { socket: string };
    };
    expect([propagatedMount, socket]).toEqual([MANAGED_MOUNT_PREFIX, 'hpe.sock']);
  });
});
