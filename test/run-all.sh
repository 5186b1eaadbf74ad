#!/usr/bin/env bash
# All checks and all kinds of test, each with its time; the last line says how many tests passed and failed.
# In CI (CI=true) also the short run of the lab.
set -uo pipefail
cd "$(dirname "$0")/.."
bash test/install.sh || exit 1
passed=0 failed=0 skipped=0
run() {
  local name=$1 start=$SECONDS log counts status
  shift
  log=$(mktemp)
  "$@" 2>&1 | tee "$log"
  status=${PIPESTATUS[0]}
  counts=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)
  rm -f "$log"
  if [ -n "$counts" ]; then
    read -r p _ f _ s _ <<<"${counts//,/}"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + ${s:-0}))
    # A run that failed without a failed test (a crash, an open handle) is a failure all the same.
    [ "$status" -eq 0 ] || [ "$f" -gt 0 ] || failed=$((failed + 1))
  elif [ "$status" -eq 0 ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
  fi
  echo "=== $name: $((SECONDS - start)) s, exit $status"
}
run types npm run -s typecheck
run lint npm run -s lint
run format npm run -s format
for kind in unit contract simulator fuzz mounts scenario crash histories; do
  run "$kind" npm run -s "test:$kind"
done
if [ "${CI:-}" = true ]; then
  run docker npm run -s test:docker
  run lab npm run -s test:lab -- --quick
else
  echo "by hand without the slow array and the packed product (3 minutes): npm run test:docker has them"
  run docker npm run -s test:docker -- --testPathIgnorePatterns='(slow-array|npm-pack)'
fi
tail=""
[ "$skipped" -eq 0 ] || tail=", $skipped skipped"
echo "$passed passed, $failed failed$tail"
[ "$failed" -eq 0 ]
