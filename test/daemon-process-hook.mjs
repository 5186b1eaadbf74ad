/*
 * Loaded before the product into a daemon that runs as a process of its own (`node --import`), so that the product itself
 * knows nothing of tests. It sees every outward call that a verb makes, and can send this process a signal just before or
 * just after one of them, and of a tool also while it runs, which it then does to its end:
 *   array     every request, logins included; "after" is the answer on the wire, not yet seen by the product
 *   metadata  every batch of the embedded store; in etcd every transaction that writes, and leases made and ended
 *   tool      every Linux tool that changes something, `tee` on an attribute of sysfs too; "after" is its end
 *   file      every change in the state directory: rename, rm, mkdir, rmdir
 * Reads of metadata and tools that only look are not counted: they change nothing, so before and after one of them the
 * world is as it was after the call in front of it. In front of every change on an
 * array, and of every tool, the product looks at its locks (src/domain/overdue-timers.ts). A pause before
 * such a call comes in that look; between the look and the deed are microseconds, which nobody can close. Calls of background
 * work are not counted: a call belongs to the verb in whose asynchronous context it is made.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import childProcess from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import timers from 'node:timers/promises';
import { ClassicLevel } from 'classic-level';
import { KVClient, LeaseClient } from 'etcd3';

const { HPE_TEST_HOSTNAME: hostname, HPE_TEST_STRIKE_FILE: strikeFile } = process.env;
/** Locks that the verb has lost are not given up. */
const RELEASE_MS = 3_000;
const pause = timers.setTimeout;
const verbs = new AsyncLocalStorage();
/** What is to be watched from the next verb on: its calls, and perhaps the one to strike at. */
let watch;
let level;

/** Notes the call and strikes before it, if that is the place; the function returned is to be called when it is done. */
function outward(label) {
  const mine = verbs.getStore();
  if (mine === undefined || (mine.answered && !isRelease(label)))
    return Object.assign(() => undefined, { begun: () => undefined });
  const call = { label, name: nameOf(label), done: false };
  mine.calls.push(call);
  const number = mine.calls.length;
  if (mine.at?.signal !== 'SIGSTOP' || !hasLook(label)) strike(mine, 'before', number);
  const done = (answer) => {
    call.done = true;
    call.succeeded = answer?.succeeded === true;
    strike(mine, 'after', number);
  };
  return Object.assign(done, { begun: () => strike(mine, 'during', number) });
}

/** Whoever asked for the verb does not wait for it. */
const isRelease = (label) => label === 'metadata lease revoke' || label.startsWith('metadata del lock/');

/** Of the verb, that were taken and not given up. */
function locksOf({ calls }) {
  const held = new Set();
  for (const { label } of calls.filter(({ succeeded }) => succeeded)) {
    for (const [, what, key] of label.matchAll(/(put|del) lock\/(.*?)(?=, (?:put|del) |$)/g)) {
      if (what === 'put') held.add(key);
      else held.delete(key);
    }
  }
  return held;
}

/** The product looks at its locks in front of it. */
const hasLook = (label) => /^(tool|array (POST|PUT|DELETE)) /.test(label) && !label.endsWith('/credentials');

/** By its number, or by what it is: calls that go out together have no order. What comes after a look is not known in it. */
function isWanted(wanted, number, calls) {
  if (typeof wanted === 'number') return wanted === number;
  const isAlike = ({ name }) => name === wanted.name;
  return number <= calls.length && calls.filter(isAlike).length === wanted.nth && isAlike(calls.at(-1));
}

/** Without the numbers that are new each time. */
const nameOf = (label) => label.replaceAll(/(session\/|session -r |\/host|scsi_device\/)\d+/g, '$1N');

function strike(mine, when, number) {
  const { at, calls } = mine;
  if (at?.when !== when || mine.struck || !isWanted(at.call, number, calls.slice(0, number))) return;
  mine.struck = true;
  fs.writeFileSync(strikeFile, JSON.stringify({ when, number, calls }));
  process.kill(process.pid, at.signal);
}

function watchVerbs() {
  const { emit } = http.Server.prototype;
  http.Server.prototype.emit = function (event, ...rest) {
    const isVerb = event === 'request' && watch !== undefined && !/\.(Get|List|Activate)$/.test(rest[0].url);
    if (!isVerb) return emit.call(this, event, ...rest);
    const mine = watch;
    const { end } = rest[1];
    rest[1].end = function (...body) {
      mine.answered = true;
      return end.apply(this, body);
    };
    return verbs.run(mine, () => emit.call(this, event, ...rest));
  };
}

function watchArrays() {
  const { request } = https;
  https.request = (options, ...rest) => {
    // All groups at once are asked for by the status poll only, which a verb may have woken.
    if (options.method === 'GET' && options.path.endsWith('/remotecopygroups')) return request(options, ...rest);
    const done = outward(`array ${options.method} ${options.hostname ?? options.host} ${options.path}`);
    const call = request(options, ...rest);
    const { emit } = call;
    call.emit = function (event, ...values) {
      if (event === 'response') done();
      return emit.call(this, event, ...values);
    };
    return call;
  };
}

function watchTools() {
  const { spawn } = childProcess;
  const looks = (tool, args) => {
    // Perl, or our own Node as a child, only looks whether anybody has claimed a device.
    if (['perl', process.execPath, 'blkid', 'cat', 'stat', '/usr/lib/udev/scsi_id'].includes(tool)) return true;
    if (tool === 'losetup') return args.includes('--list');
    if (tool === 'debugfs') return !args.includes('-w');
    if (tool === 'blockdev') return args.some((each) => each.startsWith('--get'));
    if (tool === 'multipathd') return args[0] === 'show';
    if (tool === 'dmsetup') return args[0] === 'status';
    if (tool === 'udevadm') return args[0] === 'settle';
    return tool === 'iscsiadm' && !args.some((each) => ['-o', '--login', '--logout'].includes(each));
  };
  childProcess.spawn = (tool, args, options) => {
    if (looks(tool, args)) return spawn(tool, args, options);
    const done = outward(`tool ${tool} ${args.join(' ')}`);
    const child = spawn(tool, args, options);
    // By then it has its input.
    setImmediate(done.begun);
    const { emit } = child;
    child.emit = function (event, ...values) {
      if (event === 'close') done();
      return emit.call(this, event, ...values);
    };
    return child;
  };
}

function watchLooks() {
  const { setImmediate: turn } = timers;
  timers.setImmediate = (...args) => {
    const mine = verbs.getStore();
    const come = turn(...args);
    const isLook = mine?.at?.signal === 'SIGSTOP' && new Error().stack.includes('overdueTimersHaveFired');
    if (isLook) strike(mine, 'before', mine.calls.length + 1);
    return come;
  };
}

function watchFiles() {
  for (const name of ['rename', 'rm', 'rmdir', 'mkdir']) {
    const original = fs.promises[name];
    fs.promises[name] = async (file, ...rest) => {
      const target = name === 'rename' ? rest[0] : file;
      const done = outward(`file ${name} ${path.basename(path.dirname(target))}/${path.basename(target)}`);
      const result = await original(file, ...rest);
      done();
      return result;
    };
  }
}

function watchMetadata() {
  const { batch, open } = ClassicLevel.prototype;
  ClassicLevel.prototype.open = function (...args) {
    level = this;
    return open.apply(this, args);
  };
  ClassicLevel.prototype.batch = async function (writes, ...rest) {
    const done = outward(`metadata ${writes.map(({ type, key }) => `${type} ${key}`).join(', ')}`);
    const result = await batch.call(this, writes, ...rest);
    done();
    return result;
  };
  around(KVClient.prototype, 'txn', ({ success = [] }) => etcdWrites(success));
  around(LeaseClient.prototype, 'leaseGrant', () => 'lease grant');
  around(LeaseClient.prototype, 'leaseRevoke', () => 'lease revoke');
}

/** `describe` answers nothing for a call that does not count. */
function around(prototype, name, describe) {
  const original = prototype[name];
  prototype[name] = async function (request, ...rest) {
    const what = describe(request);
    const done = what === undefined ? () => undefined : outward(`metadata ${what}`);
    const result = await original.call(this, request, ...rest);
    done(result);
    return result;
  };
}

function etcdWrites(operations) {
  const plain = (key) => key.toString().replace('/hpe-volume-plugin/v1/', '');
  const writes = operations.flatMap(({ request_put: put, request_delete_range: del }) => {
    if (put !== undefined) return [`put ${plain(put.key)}`];
    return del === undefined ? [] : [`del ${plain(del.key)}`];
  });
  return writes.length === 0 ? undefined : writes.join(', ');
}

/** Questions of the test; each is answered with its number. */
const answers = {
  /** Watches the verbs that come from now on; `at` is `{ call, when, signal }` or nothing. */
  watch: ({ at }) => {
    watch = { at, calls: [], struck: false, answered: false };
    return true;
  },
  calls: () => {
    const { calls } = watch;
    // What is still on its way is not struck any more.
    watch.struck = true;
    watch = undefined;
    return calls;
  },
  over: async () => {
    const mine = watch ?? { calls: [] };
    const until = performance.now() + RELEASE_MS;
    while (locksOf(mine).size > 0 && performance.now() < until) await pause(5);
    return locksOf(mine).size === 0;
  },
  metadata: () => level.iterator().all(),
};

process.on('message', (message) => {
  void Promise.resolve(answers[message.question](message)).then((answer) => process.send({ id: message.id, answer }));
});
// Whoever started us is gone, and nobody else would end us.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));

if (hostname !== undefined) os.hostname = () => hostname;
watchVerbs();
watchArrays();
watchTools();
watchLooks();
watchFiles();
watchMetadata();
syncBuiltinESMExports();
