# What poa-deploy does on a host over SSH: run as `sh -c THIS poa-host VERB ARGUMENTS`, by root or through sudo -n. Answers are lines key=value;
# data comes on stdin, never as an argument. Every verb can be run again. Exit codes: 0 done, 1 failed (stderr says why), 3 not as expected.
set -eu
umask 022
export LC_ALL=C PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
home=/opt/poa
cache=/var/cache/poa-deploy
owner=/etc/poa/deployment
units="poa-node poa-identity-store poa-haproxy"
die() { echo "$*" >&2; exit 1; }
free_kb() { # of the folder, or of the nearest one above it that is there
  d=$1
  while [ ! -d "$d" ]; do d=${d%/*}; d=${d:-/}; done
  df -Pk "$d" | awk 'NR == 2 {print $4}'
}
listens() { # every TCP port that is listened on, with its address as the kernel writes it
  for f in /proc/net/tcp /proc/net/tcp6; do
    if [ -r "$f" ]; then awk '$4 == "0A" {print $2}' "$f"; fi
  done
}
as() { # USER PROGRAM...: never more than that user may
  u=$1
  shift
  setpriv --reuid="$u" --regid="$u" --clear-groups --no-new-privs "$@"
}
unit_is() { systemctl is-active --quiet "$1.service" 2>/dev/null; }
clear_state() { # units stopped and gone, with their configurations and all that they have written
  for u in $units; do
    [ -f "/etc/systemd/system/$u.service" ] || continue
    systemctl disable --quiet "$u.service" 2>/dev/null || true
    systemctl stop "$u.service"
    rm -f "/etc/systemd/system/$u.service"
  done
  systemctl daemon-reload
  rm -rf /etc/poa-node.yaml /etc/poa-store /etc/poa-haproxy /var/lib/poa /var/lib/poa-store /var/log/poa
}

verb=${1:?verb}
shift
case $verb in
clock) # alone, so that its answer is quick
  date +%s%3N ;;

facts) # PORT...
  echo "system=$(uname -s)"
  echo "arch=$(uname -m)"
  if [ -r /etc/os-release ]; then
    # shellcheck disable=SC1091
    (. /etc/os-release; echo "os=${ID:-}"; echo "like=${ID_LIKE:-}"; echo "version=${VERSION_ID:-}"; echo "pretty=${PRETTY_NAME:-}")
  fi
  echo "root=$(id -u)"
  if command -v systemctl >/dev/null && [ -d /run/systemd/system ]; then echo systemd=yes; else echo systemd=no; fi
  for p in haproxy setpriv; do
    if command -v "$p" >/dev/null; then echo "$p=$(command -v "$p")"; fi
  done
  echo "disk=$(free_kb /var/lib/poa)"
  echo "disk_opt=$(free_kb $home)"
  if [ -r $owner ]; then echo "owner=$(head -n 1 $owner)"; fi
  for u in $units; do if unit_is "$u"; then echo "active=$u"; fi; done
  if [ -e /var/lib/poa/db/data.mdb ] || [ -d /var/lib/poa-store/data ]; then echo data=yes; fi
  if [ -L $home/current ]; then echo "release=$(basename "$(readlink $home/current)")"; fi
  all=$(listens)
  for port in "$@"; do
    hex=$(printf '%04X' "$port")
    for at in $all; do case $at in *:"$hex") echo "busy=$port"; break ;; esac; done
  done ;;

claim) # ID: this host serves that deployment and no other
  mkdir -p /etc/poa
  if [ -r $owner ] && [ "$(head -n 1 $owner)" != "$1" ]; then die "another deployment holds this host"; fi
  printf '%s\n' "$1" > $owner.new
  mv -f $owner.new $owner ;;

have) # SHA256: is the package here, or a part of it
  if [ -d "$home/releases/$1" ]; then echo "state=installed"
  elif [ -f "$cache/$1.part" ]; then echo "state=part"; echo "size=$(stat -c %s "$cache/$1.part")"
  else echo "state=none"; fi ;;

append) # SHA256 OFFSET < bytes: go on with an upload
  mkdir -p $cache
  chmod 700 $cache
  part=$cache/$1.part
  [ -f "$part" ] || : > "$part"
  [ "$(stat -c %s "$part")" = "$2" ] || { echo "the part has another size" >&2; exit 3; }
  cat >> "$part" ;;

install) # SHA256 deb|tar: check it, lay it out beside the others
  part=$cache/$1.part
  to=$home/releases/$1
  if [ ! -d "$to" ]; then
    got=$(sha256sum < "$part" | cut -d' ' -f1)
    if [ "$got" != "$1" ]; then rm -f "$part"; echo "what arrived has the sha256 $got, not $1" >&2; exit 3; fi
    rm -rf "$to.new"
    mkdir -p "$to.new"
    case $2 in
      deb) dpkg-deb --extract "$part" "$to.new/deb"; mv "$to.new/deb/usr/"* "$to.new/"; rm -rf "$to.new/deb" ;;
      tar) tar --extract --gzip --file "$part" --directory "$to.new" --no-same-owner ;;
      *) die "unknown kind of package: $2" ;;
    esac
    for p in poa-node poa-identity-store; do
      [ -x "$to.new/bin/$p" ] || die "the package has no bin/$p"
      lost=$(ldd "$to.new/bin/$p" | awk '/not found/ {printf " %s", $1}')
      [ -z "$lost" ] || die "libraries are missing on this host:$lost; install them (they are the Depends of the .deb)"
      "$to.new/bin/$p" --version > /dev/null || die "bin/$p of the package does not run here"
    done
    chown -R 0:0 "$to.new"
    sync
    mv "$to.new" "$to"
    rm -f "$part"
  fi ;;

activate) # SHA256: from the next start on; prints what was in force before
  [ -d "$home/releases/$1" ] || die "the package $1 is not installed"
  if [ -L $home/current ]; then echo "before=$(basename "$(readlink $home/current)")"; fi
  ln -sfn "releases/$1" $home/current.new
  mv -T $home/current.new $home/current ;;

prune) # SHA256...: keep these releases only
  for d in $home/releases/*; do
    [ -d "$d" ] || continue
    case " $* " in *" $(basename "$d") "*) ;; *) rm -rf "$d" ;; esac
  done ;;

user) # NAME HOME: a system user that nobody logs in as
  if ! id -u "$1" >/dev/null 2>&1; then useradd --system --user-group --home-dir "$2" --no-create-home --shell /usr/sbin/nologin "$1"; fi ;;

put) # PATH MODE OWNER < content
  mkdir -p "$(dirname "$1")"
  new=$1.poa-new
  (umask 077; cat > "$new")
  chmod "$2" "$new"
  chown "$3" "$new"
  sync "$new" 2>/dev/null || sync
  if cmp -s "$new" "$1"; then rm -f "$new"; chmod "$2" "$1"; chown "$3" "$1"; echo changed=no; else mv -f "$new" "$1"; echo changed=yes; fi ;;

start) # UNIT...: enabled, and running
  systemctl daemon-reload
  for u in "$@"; do
    if unit_is "$u"; then echo "already=$u"; fi
    systemctl enable --quiet "$u.service"
    systemctl start "$u.service"
  done ;;

restart) # UNIT...
  systemctl daemon-reload
  for u in "$@"; do systemctl restart "$u.service"; done ;;

stop) # UNIT...: those that are there
  for u in "$@"; do
    [ -f "/etc/systemd/system/$u.service" ] || continue
    if unit_is "$u"; then echo "was=$u"; fi
    systemctl disable --quiet "$u.service" 2>/dev/null || true
    systemctl stop "$u.service"
  done ;;

state) # UNIT...
  for u in "$@"; do
    [ -f "/etc/systemd/system/$u.service" ] || continue
    echo "unit=$u"
    systemctl show --property=ActiveState,SubState,MainPID,NRestarts,ExecMainStartTimestampMonotonic,ExecMainStatus "$u.service"
    pid=$(systemctl show --property=MainPID --value "$u.service")
    if [ "${pid:-0}" -gt 0 ]; then echo "exe=$(readlink "/proc/$pid/exe" || true)"; fi
  done
  awk '{printf "uptime_ms=%d\n", $1 * 1000}' /proc/uptime
  echo "disk=$(free_kb /var/lib/poa)"
  if [ -L $home/current ]; then echo "release=$(basename "$(readlink $home/current)")"; fi ;;

reset) # ID: back to before; programs stay, so that the next run need not upload them again
  if [ -r $owner ] && [ "$(head -n 1 $owner)" != "$1" ]; then exit 0; fi
  clear_state
  find /etc/poa -mindepth 1 ! -path $owner -delete 2>/dev/null || true ;;

remove) # ID: nothing of it stays
  if [ -r $owner ] && [ "$(head -n 1 $owner)" != "$1" ]; then die "another deployment holds this host by now: nothing was taken away"; fi
  clear_state
  rm -rf $home $cache /etc/poa
  for n in poa-node poa-store; do if id -u "$n" >/dev/null 2>&1; then userdel "$n"; fi; done ;;

logs) # UNIT SINCE_S BYTES FOLLOW FILE: the journal of a unit, or FILE if one is named
  if [ -n "$5" ]; then
    [ "$4" = yes ] || { [ -f "$5" ] || exit 0; exec tail -c "$3" "$5"; }
    exec tail -c "$3" -F "$5" 2>/dev/null
  fi
  set -- "$1" "$2" "$4"
  if [ "$3" = yes ]; then exec journalctl --quiet --no-pager --output=cat --since="@$2" --unit="$1.service" --follow; fi
  exec journalctl --quiet --no-pager --output=cat --since="@$2" --unit="$1.service" ;;

own) # FOLDER MODE USER: it is there, and that user's
  mkdir -p "$1"
  chmod "$2" "$1"
  chown "$3:$3" "$1" ;;

kept) # FILE: what stands in it; nothing if there is none
  [ -f "$1" ] || exit 0
  exec cat "$1" ;;

snapshot) # USER PROGRAM: the chain's database as it is now, while the node goes on
  as "$1" "$2" --config /etc/poa-node.yaml --snapshot - ;;

import) # SPEC-FILE < blocks in RLP
  if unit_is poa-node; then echo "its node runs: stop it first (poa-deploy down)" >&2; exit 3; fi
  printf 'chain: "%s"\nbase_path: "/var/lib/poa"\n' "$1" > /run/poa-import.yaml
  as poa-node $home/current/bin/poa-node --config /run/poa-import.yaml --import - ;;

store-backup)
  to=/var/lib/poa-store/backup.$$
  as poa-store $home/current/bin/poa-identity-store backup --config /etc/poa-store/store.yaml --file "$to" >&2
  cat "$to"
  rm -f "$to" ;;

store-restore) # < such a backup, into a store that has nothing yet
  from=/var/lib/poa-store/backup.new
  rm -rf /var/lib/poa-store/data "$from"
  (umask 077; cat > "$from")
  chown poa-store:poa-store "$from"
  as poa-store $home/current/bin/poa-identity-store restore --config /etc/poa-store/store.yaml --file "$from" >&2
  rm -f "$from" ;;

*) die "unknown verb: $verb" ;;
esac
