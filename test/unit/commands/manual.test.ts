import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import * as util from 'node:util';
import { describe, expect, it, jest } from '@jest/globals';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** The options that the command last run would have taken. */
let taken: Record<string, { type: string }> = {};
let captures = true;
const parseArgs = (config: util.ParseArgsConfig): unknown => {
  taken = config.options ?? {};
  if (captures) throw new Error('the test has seen enough');
  return util.parseArgs(config);
};
jest.unstable_mockModule('node:util', () => ({ ...util, parseArgs }));

const { COMMANDS } = await import('../../../src/commands/commands.js');
const { completion } = await import('../../../src/commands/completion.js');
const { MANUAL, OPTIONS } = await import('../../../src/commands/manual.js');
const { printManual } = await import('../../../src/commands/print-manual.js');
const { UsageError } = await import('../../../src/commands/usage.js');

/** Where one parser serves several commands: options that it knows, and that the command refuses afterwards. */
const REFUSED: Record<string, string[][]> = {
  verify: [
    ['RCG', '--yes'],
    ['RCG', '--accept-loss', 'x'],
    ['RCG', '--all-nodes'],
  ],
  backup: [
    ['FILE', '--dry-run'],
    ['FILE', '--from-v2', 'x'],
    ['FILE', '--cluster', 'x'],
  ],
  restore: [
    ['FILE', '--from-v2', 'x'],
    ['FILE', '--cluster', 'x'],
  ],
  rebuild: [['--from-v2', 'x']],
  'import-metadata': [['--cluster', 'x']],
};
/** Taken, and without effect there: the daemon is not asked. */
const IDLE: Record<string, string[]> = { verify: ['docker-socket'] };

async function optionsOf(name: string): Promise<Record<string, { type: string }>> {
  captures = true;
  taken = {};
  await expect(Promise.resolve().then(async () => COMMANDS.get(name)?.([]))).rejects.toThrow(Error);
  return taken;
}

describe('--help', () => {
  it('has a page for each command, and no other', () => {
    expect([...MANUAL.keys()]).toEqual([...COMMANDS.keys()]);
  });

  it.each([...MANUAL])('%s: names the options that the command takes, with their values', async (name, page) => {
    const accepted = await optionsOf(name);
    const refused = (REFUSED[name] ?? []).map((args) => args.find((word) => word.startsWith('--'))?.slice(2));
    const documented = new Set<string | undefined>([...page.options, ...refused, ...(IDLE[name] ?? [])]);
    expect(documented).toEqual(new Set(Object.keys(accepted)));
    for (const option of page.options) {
      const type = 'value' in OPTIONS[option] ? 'string' : 'boolean';
      expect([option, type]).toEqual([option, accepted[option]?.type]);
    }
  });

  it.each(Object.entries(REFUSED))('%s: refuses what its page does not name', async (name, lines) => {
    captures = false;
    for (const args of lines) {
      await expect(Promise.resolve().then(async () => COMMANDS.get(name)?.(args))).rejects.toThrow(UsageError);
    }
  });

  it.each([...MANUAL.keys()])('%s: is a page of readable width that tells where more is', (name) => {
    const lines = printManual(name) ?? [];
    expect(lines).toContain('SYNOPSIS');
    expect(lines.filter((line) => line.length > 130)).toEqual([]);
    const more = MANUAL.get(name)?.more;
    expect(more === undefined || existsSync(path.join(root, 'docs', more))).toBe(true);
  });

  it('lists every command', () => {
    const text = (printManual(undefined) ?? []).join('\n');
    for (const name of COMMANDS.keys()) expect(text).toContain(`\n  ${name} `);
  });

  it.each([
    [['failover', 'run', 'RCG1', '-h'], 0, 'stdout', 'SYNOPSIS'],
    [['help', 'hpe.conf'], 0, 'stdout', '(port; default: 2379)'],
    [['resize', 'db'], 2, 'stderr', 'usage: hpe-volume-plugin resize VOLUME GiB'],
    [['--sokket', 'x'], 2, 'stderr', "Unknown option '--sokket'"],
  ] as const)('typed %j', (args, code, stream, text) => {
    const result = spawnSync(process.execPath, ['--import', 'tsx', 'src/main.ts', ...args], {
      cwd: root,
      encoding: 'utf8',
    });
    expect([result.status, result[stream]]).toEqual([code, expect.stringContaining(text)]);
  });
});

describe('completion bash', () => {
  const script = completion(['bash']).join('\n');
  const complete = (...words: string[]): string[] => {
    const typed = words.map((word) => `'${word}'`).join(' ');
    const ask = `COMP_WORDS=(hpe-volume-plugin ${typed}); COMP_CWORD=${words.length}; _hpe_volume_plugin; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const result = spawnSync('bash', ['-c', `${script}\n${ask}`], { cwd: root, encoding: 'utf8' });
    expect(result.stderr).toBe('');
    return result.stdout.split('\n').filter((line) => line !== '');
  };

  it.each<[string[], string[]]>([
    [['fail'], ['failover', 'failback']],
    [
      ['failover', ''],
      [
        'plan',
        'run',
        '--json',
        '--yes',
        '--accept-loss',
        '--all-nodes',
        '--backend',
        '--docker-socket',
        '--config',
        '--state-dir',
        '--help',
      ],
    ],
    [['failover', 'run', 'RCG1', '--acc'], ['--accept-loss']],
    [['override', 'db', '--side', 'p'], ['primary']],
    [['override', 'db', '--reason', ''], []],
    [['serve', '--config', 'hpe.conf.s'], ['hpe.conf.sample']],
    [['backup', 'hpe.conf.s'], ['hpe.conf.sample']],
    [['status', '--state-dir', 'docs/obs'], ['docs/observability']],
    [['nothing', ''], []],
  ])('%j', (words, expected) => {
    expect(complete(...words)).toEqual(expected);
  });

  /** zsh itself leaves out what does not begin with the word. */
  const completeInZsh = (...words: string[]): string[] => {
    const before = `compdef() { :; }; compset() { :; }; compadd() { print -rl -- $matches; }; typeset -A compstate`;
    const init = 'autoload -Uz bashcompinit && bashcompinit';
    const typed = words.map((word) => `'${word}'`).join(' ');
    const ask = `words=(hpe-volume-plugin ${typed}); CURRENT=${words.length + 1}; _bash_complete -o filenames -F _hpe_volume_plugin`;
    const text = [before, init, script, ask].join('\n');
    const result = spawnSync('zsh', ['-f', '-c', text], { cwd: root, encoding: 'utf8' });
    expect(result.stderr).toBe('');
    return result.stdout.split('\n').filter((line) => line !== '');
  };
  it('is read by zsh, too, as docs/operate.md says', () => {
    expect(readFileSync(path.join(root, 'docs/operate.md'), 'utf8')).toContain('bashcompinit && bashcompinit');
    expect(completeInZsh('fail')).toEqual(expect.arrayContaining(['failover', 'failback', 'doctor']));
    expect(completeInZsh('override', 'db', '--side', 'p')).toEqual(['primary', 'secondary']);
    expect(completeInZsh('failover', '')).toEqual(complete('failover', ''));
    expect(completeInZsh('serve', '--config', 'hpe.conf.s')).toContain('hpe.conf.sample');
  });

  it('knows no other shell', () => {
    expect(() => completion(['zsh'])).toThrow(UsageError);
  });
});
