/** Prints the counts of one jest run alone on a line of stdout, which jest itself writes only to stderr; run-all.sh adds them up. */
export default class CountsReporter {
  onRunComplete(_contexts, results) {
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    const skipped = results.numPendingTests + results.numTodoTests;
    const tail = skipped > 0 ? `, ${skipped} skipped` : '';
    console.log(`${results.numPassedTests} passed, ${failed} failed${tail}`);
  }
}
