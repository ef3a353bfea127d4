#!/bin/sh
# Weakens each memory order of the library in turn and sees which model fails. See MUTATIONS.md.
#
#   mutation.sh BUILD_DIRECTORY                         all; an interrupted run goes on where it was
#   mutation.sh BUILD_DIRECTORY runtime/future.cpp      of one file
#   mutation.sh BUILD_DIRECTORY runtime/future.cpp:88   of one line
#
# Ends with 1 if an order survives that MUTATIONS.md does not explain, or if that is wrong elsewhere.
set -eu

models=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$models/../.." && pwd)
programs=$1/tests/model
where=${2-}

reports=$programs/mutation
if [ -n "$where" ]; then
  reports=$programs/mutation_of_some
  rm -rf "$reports"
fi
mkdir -p "$reports"
first=$reports/weft_model_tests.tsv
second=$reports/weft_worker_model_tests.tsv

begin=$(date +%s)
nice -n 19 "$programs/weft_model_tests" --mutations "$first" --in "$where"
nice -n 19 "$programs/weft_worker_model_tests" --mutations "$second" --known "$first" --in "$where"
echo "in $(($(date +%s) - begin)) s"

file=${where%:[0-9]*}
if [ "$file" != "$where" ]; then exit 0; fi # of one line there is no table
find "$root/runtime" "$root/sync" "$root/net" \( -name '*.h' -o -name '*.cpp' \) -print | sort |
  xargs awk -f "$models/mutation_table.awk" "root=$root" "where=$file" \
    "$models/MUTATIONS.md" "$first" "$second"
