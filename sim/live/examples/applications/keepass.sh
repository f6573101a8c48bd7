#!/bin/sh
# A KeePass database in the folder: two machines add ten entries each with keepassxc-cli.
set -eu
for folder; do shift; set -- "$@" "$(realpath "$folder")"; done
cd "$(mktemp -d)"
printf 'secret\nsecret\n' | keepassxc-cli db-create -t 100 -p "$1/db.kdbx" > /dev/null 2>&1
while [ ! -s "$2/db.kdbx" ]; do sleep 0.2; done

machine() {
  name=$(basename "$1")
  for n in $(seq 10); do
    if echo secret | keepassxc-cli add -q "$1/db.kdbx" "entry-$name-$n" > /dev/null 2>> errors; then echo "entry-$name-$n" >> "added-$name"; fi
    sleep 0.5
  done
}

touch errors
for folder; do machine "$folder" & done
wait
"$CLOUDCHAMBER" live ctl "$CLOUDCHAMBER_LIVE" quiet > /dev/null
sort added-* > added
echo secret | keepassxc-cli ls -q "$1/db.kdbx" 2>> errors | sort > listed
for copy in "$1"/*; do echo secret | keepassxc-cli ls -q "$copy" 2> /dev/null || true; done | sort -u > anywhere
echo "KeePass: $(wc -l < added) entries were added; $(comm -23 added listed | wc -l) of them are not in the database any more," \
  "$(comm -23 added anywhere | wc -l) in none of its $(ls "$1" | wc -l) copies; it complained $(wc -l < errors) times"
test -z "$(comm -23 added listed)"
