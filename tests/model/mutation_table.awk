# Makes a table of what the models have found of the weakened orders, and compares it with what is
# explained.
#
#   awk -f mutation_table.awk root=/path/to/weft [where=runtime/future.cpp] MUTATIONS.md report.tsv ... source ...
#
# Reports are those of --mutations (checker/mutation.h); of several that know an order, one that has
# found it counts. Sources are searched for orders that no report knows: no model comes there.
# Ends with 1 if an order survives, or is not reached, and MUTATIONS.md has no line for it; or if a
# line there is about none that does.

BEGIN { FS = "\t" }

function short(path) { return substr(path, length(root) + 2) }
function wanted(file) { return where == "" || index(file, where) > 0 }
function trim(text) { gsub(/^[ \t]+|[ \t]+$/, "", text); return text }
function code_at(file, line) { return trim(text[file, line]) }
function escaped(code) { gsub(/\|/, "\\|", code); return code }
function explain(key) {
  if (key in explained) { used[key] = 1; return 1 }
  return 0
}

# ---- MUTATIONS.md: | `file` | `code` | order -> weaker | why |, or | `file` | all | not reached | why |

FILENAME ~ /\.md$/ {
  if ($0 !~ /^\| `/) next
  row = $0
  gsub(/\\\|/, "\001", row)  # a bar that belongs to the code
  split(row, cells, / \| /)
  file = cells[1]; gsub(/[|` ]/, "", file)
  code = cells[2]; sub(/^`/, "", code); sub(/`$/, "", code); gsub(/\001/, "|", code)
  key = file SUBSEP trim(code) SUBSEP trim(cells[3])
  if (wanted(file)) explained[key] = 1
  next
}

# ---- Reports

FILENAME ~ /\.tsv$/ {
  key = $1 SUBSEP $2 SUBSEP $4 SUBSEP $5 SUBSEP $6 SUBSEP $3
  if (!(key in found)) { order[++keys] = key; found[key] = "-" }
  if ($9 != "-" && found[key] == "-") found[key] = $9
  reached[$1, $2] = 1
  next
}

# ---- Sources

{
  file = short(FILENAME)
  if (!wanted(file)) next
  text[file, FNR] = $0
  line = $0
  sub(/^[ \t]*\/\/.*/, "", line)
  sub(/ \/\/.*/, "", line)
  if (line ~ /memory_order_(acquire|release|acq_rel|seq_cst)/) {
    # A call may have begun a few lines above.
    known = 0
    for (i = FNR; i > FNR - 4; --i) known = known || ((file, i) in reached)
    if (!known) { missing[++misses] = file SUBSEP FNR }
  }
}

END {
  bad = 0
  for (i = 1; i <= keys; ++i) {
    split(order[i], part, SUBSEP)
    what = part[3] " " part[4] " -> " part[5]
    total++
    if (found[order[i]] != "-") {
      caught++
      printf "%s:%s\t%s\t%s\n", part[1], part[2], what, found[order[i]]
      continue
    }
    survived++
    has = explain(part[1] SUBSEP code_at(part[1], part[2]) SUBSEP what)
    if (!has) ++bad
    printf "%s:%s\t%s\tsurvives%s\n", part[1], part[2], what, has ? "" : ", not explained"
    if (!has)
      lines = lines "| `" part[1] "` | `" escaped(code_at(part[1], part[2])) "` | " what " |  |\n"
  }
  for (i = 1; i <= misses; ++i) {
    split(missing[i], part, SUBSEP)
    has = explain(part[1] SUBSEP "all" SUBSEP "not reached") ||
          explain(part[1] SUBSEP code_at(part[1], part[2]) SUBSEP "not reached")
    if (!has) ++bad
    printf "%s:%s\tnot reached%s\n", part[1], part[2], has ? "" : ", not explained"
    if (!has)
      lines = lines "| `" part[1] "` | `" escaped(code_at(part[1], part[2])) "` | not reached |  |\n"
  }
  for (key in explained) {
    if (key in used) continue
    ++bad
    split(key, part, SUBSEP)
    printf "explained, but found or gone: %s: %s: %s\n", part[1], part[2], part[3]
  }
  printf "\n%d of %d weakened orders are found, %d survive, %d lines are not reached\n", caught, total,
         survived, misses
  if (bad > 0) printf "\nTo be explained in MUTATIONS.md:\n\n%s", lines
  exit bad > 0
}
