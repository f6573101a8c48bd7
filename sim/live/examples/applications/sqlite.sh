#!/bin/sh
# An SQLite database in the folder, with a write-ahead log: the first machine inserts sixty rows, and the
# others look at it.
set -eu
for folder; do shift; set -- "$@" "$(realpath "$folder")"; done
cd "$(mktemp -d)"
sqlite3 "$1/db" 'PRAGMA journal_mode = wal; CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT)' > /dev/null

{
  echo 'PRAGMA wal_autocheckpoint = 20;'
  # A program that has the database open, as most have.
  for n in $(seq 60); do
    echo "INSERT INTO t VALUES ($n, hex(randomblob(3000)));"
    sleep 0.2
  done
} | sqlite3 "$1/db" > /dev/null &
writer=$!

reader() {
  last=0
  while kill -0 "$writer" 2> /dev/null; do
    # A copy of what lies there: a reader that opened the files themselves would change them.
    rm -rf "copy-$2" && mkdir "copy-$2" && cp "$1"/db* "copy-$2" 2> /dev/null || true
    now=$(sqlite3 "copy-$2/db" 'SELECT max(n) FROM t' 2> "said-$2") || now=
    check=$(sqlite3 "copy-$2/db" 'PRAGMA integrity_check' 2>&1) || true
    # One line a look, whatever it found first.
    if [ -s "said-$2" ]; then head -n 1 "said-$2" >> "errors-$2"; elif [ "$check" != ok ]; then echo "$check" | head -n 1 >> "errors-$2"; fi
    if [ -n "$now" ] && [ "$now" -lt "$last" ]; then echo "$last to $now" >> "back-$2"; fi
    last=${now:-$last}
    echo x >> "looks-$2"
    sleep 0.2
  done
}

touch errors-none back-none looks-none
place=0
for folder; do
  if [ "$folder" != "$1" ]; then reader "$folder" "$((place += 1))" & fi
done
wait
"$CLOUDCHAMBER" live ctl "$CLOUDCHAMBER_LIVE" quiet > /dev/null
echo "SQLite: of $(cat looks-* | wc -l) looks $(cat errors-* | wc -l) found errors ($(cat errors-* | sort | uniq -c | sort -rn | head -1))," \
  "and $(cat back-* | wc -l) fewer rows than before"
test "$(cat errors-* back-* | wc -l)" = 0
