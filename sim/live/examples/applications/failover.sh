#!/bin/sh
# cloudchamber-agent's failover on three machines: who is active runs a command, which tells a log outside the folders that
# it lives, with a monotonic time. Whoever is active is killed, asked to hand over, cut off and stopped in the middle.
#
#   mkdir A B C
#   cloudchamber live --profile icloud --seed 7 --speed 5 A B C -- \
#     sh sim/live/examples/applications/failover.sh majority icloud 5 A B C
#
# The policy, whose client the agents take it for, and how often faster than in reality all is: as many times shorter are
# the agents' constants. Linux, for /proc/uptime.
set -eu
policy=$1 provider=$2 speed=$3
shift 3
work=$(mktemp -d)
agent=$(dirname "$CLOUDCHAMBER")/cloudchamber-agent
[ -x "$agent" ] || agent=cloudchamber-agent
log=$work/log
: > "$log"

# The command: a line when it starts, one every tenth of a second, one when it is asked to end. Of two terms one ignores
# that, and is killed.
cat > "$work/command" << 'END'
say() { read -r at _ < /proc/uptime; echo "$1 $at $CLOUDCHAMBER_TERM $2" >> "$3"; }
say start "$1" "$2"
if [ $((CLOUDCHAMBER_TERM % 2)) = 0 ]; then trap '' TERM; else trap 'say stop "$1" "$2"; exit 0' TERM; fi
while :; do say beat "$1" "$2"; sleep 0.1; done
END

# The constants as the agent derives them, of shorter times. Clocks and disks stay as they are.
case $provider in
  syncthing) way=15200 rests=15000 ;;
  icloud) way=26000 rests=3000 ;;
  dropbox) way=28000 rests=1000 ;;
  *) echo "failover.sh: no constants for $provider; take syncthing, icloud or dropbox"; exit 2 ;;
esac
case $policy in majority) beat=27500 jitter=2000 ;; *) beat=10800 jitter=1000 ;; esac
way=$((way / speed)) beat=$((beat / speed)) jitter=$((jitter / speed)) look=$((1000 / speed))
suspect=$((beat + jitter + way + look + 500)) lease=$((2 * way + beat + jitter + 2 * look + 1000))
if [ "$speed" != 1 ]; then
  cat > "$work/settings.toml" << END
beat = { base_ms = $beat, jitter_ms = $jitter }
standby_beat = { base_ms = $((120000 / speed)), jitter_ms = $((10000 / speed)) }
propagation_ms = $way
suspect_ms_min = $suspect
suspect_ms_max = $((4 * suspect))
look_ms = $look
slot_ms = $((2 * way + 4 * look))
wait_ms = $((2 * way + 4 * look))
lease_ms = $lease
promise_ms = $((lease + 1000))
rest_ms = $((rests / speed))
write_gap_ms = $((1000 / speed))
END
fi

id_of() { echo "$(basename "$1")@$(uname -n):$(realpath "$1")"; }
voters= settings=
[ "$speed" = 1 ] || settings="--settings $work/settings.toml"
for folder; do
  if [ "$policy" = majority ]; then voters="$voters --voter $(id_of "$folder")"; fi
  eval "folder_$(basename "$folder")=\$folder"
done

# What is done to a machine, by its name.
folder() { eval "echo \"\$folder_$1\""; }
run() {
  # shellcheck disable=SC2086 # options, each a word
  "$agent" run --folder "$(folder "$1")" --local "$work/local-$1" --name "$1" --provider "$provider" --policy "$policy" \
    --grace 2 $voters $settings -- sh "$work/command" "$1" "$log" >> "$work/agent-$1" 2>&1 &
  echo $! > "$work/pid-$1"
}
now() { cut -d ' ' -f 1 /proc/uptime; }
ctl() { "$CLOUDCHAMBER" live ctl "$CLOUDCHAMBER_LIVE" "$@" > /dev/null; }
tell() { now=$(now); echo "$now $*" >> "$work/story"; }

# Who has told last that it lives, in the last second; nothing if nobody.
active() { tail -n 1 "$log" | awk -v now="$(now)" '$1 != "stop" && now - $2 < 1 { print $4 }'; }

# Waits until one that is (or, with "other", is not) $2 is active, and tells how long that took since then.
takes_over() {
  since=$(now) most=$(awk "BEGIN { print 1200 / $speed }")
  while :; do
    who=$(active)
    case $1:$who in
      *:) ;;
      "is:$2") break ;;
      is:*) ;;
      "other:$2") ;;
      *) break ;;
    esac
    if awk "BEGIN { exit !($(now) - $since > $most) }"; then
      tell "after $3 nobody took over within $most s"
      failed=$((failed + 1)) who=
      return
    fi
    sleep 0.05
  done
  took=$(awk "BEGIN { printf \"%.1f\", $(now) - $since }")
  tell "after $3 $who was active in $took s"
  times="$times, $3 $took s"
}
pause() { sleep "$(awk "BEGIN { print $1 / $speed }")"; }

failed=0 times=
# Whatever happens, no agent is left.
end() {
  for pid in $(cat "$work"/pid-*); do kill -CONT "$pid" 2> /dev/null && kill "$pid" || true; done
  wait
}
trap end EXIT
for folder; do run "$(basename "$folder")"; done
takes_over other nobody "the start"
pause 60

one=$who
tell "kill -9 of the agent of $one"
kill -KILL "$(cat "$work/pid-$one")"
takes_over other "$one" "kill -9"
pause 40
run "$one"
tell "$one is started again"
pause 120

tell "activate $one"
"$agent" activate --folder "$(folder "$one")" --local "$work/local-$one" --name "$one" "$(id_of "$(folder "$one")")" >> "$work/agent-$one" 2>&1 || true
takes_over is "$one" "activate"
pause 60

one=$(active)
if [ -n "$one" ]; then
  tell "$one is offline"
  ctl offline "$one"
  takes_over other "$one" "an offline spell"
  pause 60
  ctl online "$one"
  tell "$one is online"
  pause 120
fi

one=$(active)
if [ -n "$one" ]; then
  tell "the agent of $one is stopped"
  kill -STOP "$(cat "$work/pid-$one")"
  takes_over other "$one" "a stopped agent"
  kill -CONT "$(cat "$work/pid-$one")"
  tell "the agent of $one goes on"
  pause 120
fi

one=$(active)
if [ -n "$one" ]; then
  tell "leave $one"
  "$agent" leave --folder "$(folder "$one")" --local "$work/local-$one" --name "$one" >> "$work/agent-$one" 2>&1 || true
  takes_over other "$one" "leave"
fi
pause 60
last=$(active)
end
ctl quiet

# Each command lived from its first line to its last, at least. Two lived at once if one began before another one's end.
awk '$1 == "start" { n++; of[$4] = n; who[n] = $4; began[n] = $2; term[n] = $3 } { ended[of[$4]] = $2 }
  END {
    for (i = 1; i <= n; i++) for (j = i + 1; j <= n; j++) if (who[i] != who[j]) {
      from = began[i] > began[j] ? began[i] : began[j]; to = ended[i] < ended[j] ? ended[i] : ended[j]
      if (from < to) printf "%s of term %s and %s of term %s lived at once for %.2f s from %s on\n", who[i], term[i], who[j], term[j], to - from, from
    }
  }' "$log" > "$work/overlaps"
cat "$work/overlaps"
commands=$(grep -c '^start' "$log")
echo "cloudchamber-agent run, $policy: $commands commands, $(wc -l < "$work/overlaps") times two at once; active in the end:" \
  "${last:-nobody}$times; logs in $work"
if [ "$policy" = majority ]; then test ! -s "$work/overlaps"; fi
test "$failed" = 0
test -n "$last"
