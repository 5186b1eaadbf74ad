import { it } from '@jest/globals';
import { readFileSync } from 'node:fs';

/** Whether this kernel has xfs; what needs it is left out where it has not, and that is said here. */
export const HAS_XFS = readFileSync('/proc/filesystems', 'utf8').includes('\txfs\n');
if (!HAS_XFS) process.stderr.write('tests that need xfs are left out: this kernel has none\n');

/** A test that needs xfs. */
export const itWithXfs = HAS_XFS ? it : it.skip;
