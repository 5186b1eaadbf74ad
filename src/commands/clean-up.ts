import { asDriverError, DriverError } from '../domain/errors.js';

/** Works, and cleans up in any case. @throws what the work threw, with what the clean-up threw told after it; or the latter alone */
export async function thenCleanUp<T>(work: () => Promise<T>, cleanUp: () => Promise<void>): Promise<T> {
  let result: T;
  try {
    result = await work();
  } catch (thrown) {
    await cleanUp().catch((left: unknown) => {
      throw bothFailures(asDriverError(thrown), asDriverError(left));
    });
    throw thrown;
  }
  await cleanUp();
  return result;
}

function bothFailures(first: DriverError, second: DriverError): DriverError {
  const next = [first.next, second.next].filter((each) => each !== undefined).join('; then: ');
  return new DriverError(first.code, `${first.message}; and after that: ${second.message}`, {
    cause: first,
    ...(next === '' ? {} : { next }),
  });
}
