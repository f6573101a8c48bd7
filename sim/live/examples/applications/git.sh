#!/bin/sh
# A git repository in the folder, with its .git directory: two machines commit, each ten times, without a push or a pull.
set -eu
work=$(mktemp -d)
git_in() { folder=$1; shift; git -C "$folder" -c user.name=x -c user.email=x@example.com -c gc.auto=0 "$@"; }
git_in "$1" init --quiet --initial-branch main
git_in "$1" commit --quiet --allow-empty -m begun
while [ ! -d "$2/.git/refs/heads" ] || [ -z "$(ls "$2/.git/refs/heads")" ]; do sleep 0.2; done

machine() {
  name=$(basename "$1")
  for n in $(seq 10); do
    echo "$n" > "$1/$name-$n.txt"
    if git_in "$1" add "$name-$n.txt" 2>> "$work/errors" && git_in "$1" commit --quiet -m "$name $n" 2>> "$work/errors"; then
      git_in "$1" rev-parse HEAD >> "$work/commits"
    fi
    sleep 0.4
  done
}

touch "$work/errors" "$work/commits"
for folder; do machine "$folder" & done
wait
"$CLOUDCHAMBER" live ctl "$CLOUDCHAMBER_LIVE" quiet > /dev/null
sort "$work/commits" > "$work/made"
git_in "$1" rev-list main 2>> "$work/errors" | sort > "$work/reached" || true
gone=0
for commit in $(cat "$work/made"); do git_in "$1" cat-file -e "$commit" 2> /dev/null || gone=$((gone + 1)); done
git_in "$1" fsck --full > "$work/fsck" 2>&1 && fsck=0 || fsck=$?
echo "git: $(wc -l < "$work/made") commits were made; $(comm -23 "$work/made" "$work/reached" | wc -l) of them are not in main any more," \
  "$gone in no file; $(ls "$1/.git/refs/heads" | grep -c conflicted) conflict copies lie among the branches; fsck ends with $fsck"
test -z "$(comm -23 "$work/made" "$work/reached")"
