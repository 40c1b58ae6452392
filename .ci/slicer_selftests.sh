#!/usr/bin/env bash
# The module's self-tests in a released 3D Slicer under a virtual display; ends with their exit code.
#     .ci/slicer_selftests.sh SLICER_FOLDER [EXTENSION ...]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
slicer=$(cd "$1" && pwd)/Slicer
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HOME=$work
cd "$work" # Slicer may leave files in the folder that it is started in
export SLICER_BACKGROUND_THREAD_PRIORITY=0

modules=("$root/AutoSegPipeline")
if [ "$#" -gt 0 ]; then
  cat > "$work/install.py" <<'PY'
import sys

import slicer

try:
    manager = slicer.app.extensionsManagerModel()
    manager.interactive = False
    manager.updateExtensionsMetadataFromServer(True, True)
    wrong = [name for name in sys.argv[1:] if not manager.installExtensionFromServer(name, False)]
    print("not installed:", wrong)
    print("extensions in", manager.extensionsInstallPath, flush=True)
    slicer.util.exit(1 if wrong else 0)
except BaseException as error:
    print(repr(error), flush=True)
    slicer.util.exit(1)
PY
  xvfb-run -a "$slicer" --no-splash --python-script "$work/install.py" "$@" 2>&1 | tee "$work/installed"
  # With --testing Slicer has settings of its own, so the extensions' folders are named to it.
  place=$(sed -n 's/^extensions in //p' "$work/installed")
  while IFS= read -r folder; do modules+=("$folder"); done < <(
    find "$place" -type d \( -name qt-scripted-modules -o -name qt-loadable-modules -o -name cli-modules \))
  [ "${#modules[@]}" -gt "$#" ] || { echo "the extensions are not where they should be" >&2; exit 1; }
fi

tests=$root/AutoSegPipeline/Testing/Python
run() {
  xvfb-run -a -s "-screen 0 1600x1000x24" "$slicer" --no-splash --testing \
    --additional-module-paths "${modules[@]}" --python-code "$1" 2>&1 | tee -a "$work/log"
}
run "slicer.selfTests['AutoSegPipeline']()"
for name in slicer_session_test slicer_scene_test slicer_inside_test; do
  run "import slicer.testing; slicer.testing.runUnitTest(['$tests'], '$name')"
done
# A test that was skipped did not pass: this Slicer lacks a module or an extension that it needs.
if grep -E "^(OK|FAILED) \(.*skipped=" "$work/log" > /dev/null; then
  echo "not complete, skipped:" >&2
  grep -E "\.\.\. skipped " "$work/log" >&2
  exit 1
fi
# An error that Slicer only prints is one, too.
if grep -E "^Traceback|Failed to load|\[ERROR\].*AutoSegPipeline" "$work/log"; then
  echo "Slicer printed errors" >&2
  exit 1
fi
