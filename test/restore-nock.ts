import { afterAll } from '@jest/globals';
import nock from 'nock';

// Without this the next test file of the same jest worker meets nock's patched http module.
afterAll(() => {
  nock.cleanAll();
  nock.restore();
});
