import ts from 'typescript';
import { KINDS, type ErrorCode } from '../../src/domain/errors.js';
import { collect, propertyOf, sourceFiles, wordsOf } from './source.js';

/** A failure that the program can tell; `…` where a value stands. */
export interface Message {
  /** Below src. */
  file: string;
  kind: string;
  says: string;
  /** Why, in the message's own words; empty where its kind says it. */
  cause: string;
  /** In the message's own words; empty where its kind says it. */
  fix: string;
  /** It brings a next step of its own, if only from where it happened. */
  hasNext: boolean;
}

/** Everything below src that a user may be told as a failure, by its words, each once. */
export function messages(root: string): readonly Message[] {
  found ??= read(root);
  return found;
}

let found: readonly Message[] | undefined;

function read(root: string): Message[] {
  const all = sourceFiles(root).flatMap((file) => collect(file, (node) => messageOf(node, file.fileName)));
  const unique = new Map(all.map((each) => [[each.says, each.cause, each.fix].join('|'), each]));
  return [...unique.values()].toSorted((one, other) => (one.says.toLowerCase() < other.says.toLowerCase() ? -1 : 1));
}

function messageOf(node: ts.Node, file: string): Message[] {
  const [kind, text, next] = partsOf(node) ?? valueFault(node, file) ?? [];
  const whole = text === undefined ? '' : wordsOf(text).replaceAll(/\s+/g, ' ');
  const [, words = whole, within] = WITH_NEXT.exec(whole) ?? [];
  // A message that is built elsewhere has no words here.
  if (kind === undefined || !/[a-z]{3} ?[a-z]/.test(words) || (kind === 'notice' && within === undefined)) return [];
  const own = within ?? (next === undefined ? '' : wordsOf(next));
  return [{ file, kind, ...seenAndWhy(words), fix: /[a-z]{2}/.test(own) ? own : '', hasNext: next !== undefined }];
}

/** A text that has its next step in it: what is told in the log, and by `doctor`. */
const WITH_NEXT = /^(.*); next: (.*)$/s;

/** Kind, message and next step, in every form in which the source has the three. */
function partsOf(node: ts.Node): [string, ts.Node | undefined, ts.Node | undefined] | undefined {
  if (ts.isStringLiteralLike(node) || ts.isTemplateExpression(node)) return ['notice', node, undefined];
  if (ts.isNewExpression(node)) {
    const name = node.expression.getText();
    const [first, second, third] = node.arguments ?? [];
    if (name === 'DriverError')
      return [first === undefined ? '' : wordsOf(first), second, propertyOf(third, 'next') ?? nextIn(third)];
    if (name === 'UsageError') return ['usage', first, undefined];
  }
  const words = propertyOf(node, 'words');
  const code = propertyOf(node, 'code');
  if (words !== undefined && code !== undefined) return [wordsOf(code), words, propertyOf(node, 'next')];
  const what = propertyOf(node, 'what');
  const fix = propertyOf(node, 'fix');
  if (what !== undefined && fix !== undefined) return ['hpe.conf', what, fix];
  const next = propertyOf(node, 'next');
  return what !== undefined && next !== undefined ? ['refused', what, next] : undefined;
}

/** What is wrong with one value of an option or of hpe.conf; told after its name. */
function valueFault(node: ts.Node, file: string): [string, ts.Node | undefined, undefined] | undefined {
  const called = ts.isCallExpression(node) || ts.isNewExpression(node) ? node.expression.getText() : '';
  const [first, second] = ts.isCallExpression(node) || ts.isNewExpression(node) ? (node.arguments ?? []) : [];
  if (called === 'fail' && file === 'config/values.ts') return ['hpe.conf', second, undefined];
  if (!/^(?:domain|driver)\/.*option/.test(file)) return undefined;
  if (called === 'Error' || called === 'problems.push') return ['option', first, undefined];
  return propertyOf(node, 'broken') === undefined ? undefined : ['option', propertyOf(node, 'text'), undefined];
}

/** A next step that comes along in another form. */
const nextIn = (options: ts.Expression | undefined): ts.Expression | undefined =>
  options?.getText().includes('next') === true ? options : undefined;

/** Between what was seen and why it is so, or why it is unsafe. */
const BREAK =
  /(?:: |; |, (?=(?:so|since|but|which|where|with which|whose|as|and (?:only|all|without|whose|nobody|at))\b)|,? (?=(?:while|because|although)\b))(?!nothing |it is (?:not|neither|left)\b|what was )/;

function seenAndWhy(words: string): { says: string; cause: string } {
  const at = BREAK.exec(words);
  const [says, cause] = at === null ? [words, ''] : [words.slice(0, at.index), words.slice(at.index + at[0].length)];
  return /[a-z]{3} [a-z]/.test(cause) && /[a-z]{3}/.test(says) ? { says, cause } : { says: words, cause: '' };
}

const OTHER_KINDS: Record<string, { cause: string; next: string }> & { '': { cause: string; next: string } } = {
  'hpe.conf': {
    cause: 'that line of hpe.conf; as an error the daemon does not start with it',
    next: 'what stands after fix: in the message',
  },
  notice: { cause: 'what it names', next: '' },
  option: {
    cause: 'the value of an option of docker volume create; nothing was changed',
    next: 'correct it (docker volume create -d hpe -o help explains all of them)',
  },
  usage: { cause: 'the command line is not understood', next: 'hpe-volume-plugin COMMAND --help' },
  '': { cause: 'another failure, which the message goes on to tell', next: 'what stands after next: in the message' },
};

const isKind = (kind: string): kind is ErrorCode => kind in KINDS;

/** What the kind says of a message that does not say it itself. */
const usual = (kind: string): { cause: string; next: string } =>
  isKind(kind) ? KINDS[kind] : (OTHER_KINDS[kind] ?? OTHER_KINDS['']);

/** Where in the documents a message stands, by the file that it comes from; the first that fits. */
const WHERE: readonly [title: string, files: RegExp][] = [
  ['hpe.conf, passwords', /^config\/|passwords|encrypt|ask-secret|passphrases/],
  ['Options of docker volume create', /option|^domain\/names/],
  ['Snapshots and clones', /snapshot|clone|cop(y|ying)|expiry|schedule/],
  ['Create', /^driver\/(create|existing|plan-group|group-|seat|seen-group|fail-over)/],
  ['Remove', /^driver\/(remove|delete-step)/],
  ['Resize', /resize|grow-filesystem|mounted-size/],
  ['Import, take over, release', /import|adopt|release|new-uuid/],
  ['Metadata: backup, restore, rebuild, etcd', /^store\/|metadata|restore|rebuild|survey|inventory/],
  [
    'Failover, failback, drill, override',
    /^commands\/(fail|guide|run-|drill|verify|findings|array-deeds|engine)|override/,
  ],
  ['Mount and Unmount: which copy', /^(driver|backend)\//],
  ['Mount and Unmount: this host', /^host\//],
  ['Arrays: WSAPI and SSH', /^array\//],
  ['The daemon and its commands', /./],
];

const DEFECTS = 'Defects of the plugin';

/** All messages with cause and fix, a table for each place that they come from; defects, which all have one fix, at the end. */
export function messageTables(root: string, table: (head: string[], rows: string[][]) => string): string {
  const all = messages(root);
  const placeOf = ({ kind, file }: Message): string =>
    kind === 'internal' ? DEFECTS : (WHERE.find(([, files]) => files.test(file))?.[0] ?? '');
  return [...WHERE.map(([title]) => title), DEFECTS]
    .map((title) => {
      const rows = all.filter((each) => placeOf(each) === title).map(rowOf);
      return `## ${title}\n\n${table(['what it says', 'cause', 'fix', 'kind'], rows)}`;
    })
    .join('\n\n');
}

const GOES_ON = /: …(?: \[…\])?$/;

function rowOf({ says, cause, fix, kind, hasNext }: Message): string[] {
  const { cause: usualCause, next } = usual(kind);
  const why = cause !== '' || !GOES_ON.test(says) ? cause : 'what follows in the message';
  const what = fix !== '' || !hasNext ? fix : 'what stands after next: in the message';
  return [says, why === '' ? usualCause : why, what === '' ? next : what, isKind(kind) ? kind : ''];
}
