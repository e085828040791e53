# The set-up that ./up and ./check share; sourced by both, with `root` set to the top of the tree.

if [ -t 1 ]; then bold=$'\033[1m' plain=$'\033[0m'; else bold='' plain=''; fi

# The compiler's cache serves every checkout, wherever it stands.
export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1

say() { printf '%s==>%s %s\n' "$bold" "$plain" "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Prints the packages of the sections named that are not there.
missing_packages() {
  local section='' package command line
  while IFS= read -r line; do
    line=${line%%#*}
    [ -n "${line// /}" ] || continue
    if [[ $line == \[*\] ]]; then
      section=${line//[\[\]]/}
      continue
    fi
    [[ " $* " == *" $section "* ]] || continue
    package=${line%%|*} package=${package// /}
    command=''
    [[ $line == *'|'* ]] && command=${line##*|} && command=${command// /}
    if [ -n "$command" ] && command -v "$command" >/dev/null 2>&1; then continue; fi
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || printf '%s\n' "$package"
  done <"$root/tools/packages.txt"
}

# install_packages SECTION...: installs what is missing, or says what is missing and stops.
install_packages() {
  local missing as_root=()
  command -v dpkg-query >/dev/null 2>&1 ||
    die "this is not Debian. Keelson is set up on Debian 12; elsewhere install the like of tools/packages.txt and run
       cmake --preset release -DCMAKE_CXX_COMPILER=clang++-19 && ninja -C build/release keelson"
  missing=$(missing_packages "$@" | tr '\n' ' ')
  [ -n "${missing// /}" ] || return 0
  say "missing packages: $missing"
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 ||
      die "installing them needs root, and there is no sudo. As root run: apt-get install --no-install-recommends $missing"
    if ! sudo -n true 2>/dev/null && [ ! -t 0 ]; then
      die "installing them needs root, and sudo wants a password. Run: sudo apt-get install --no-install-recommends $missing"
    fi
    as_root=(sudo)
  fi
  local log
  log=$(mktemp)
  say "installing them (log: $log)"
  # shellcheck disable=SC2086
  if ! { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing; } \
    </dev/null >"$log" 2>&1; then
    tail -n 15 "$log" >&2
    die "apt-get could not install: $missing (whole log: $log)"
  fi
  missing=$(missing_packages "$@" | tr '\n' ' ')
  [ -z "${missing// /}" ] || die "still missing after apt-get install: $missing (log: $log)"
  rm -f "$log"
}

# configure PRESET: into build/PRESET with clang-19, unless that is done.
configure() {
  local folder=$root/build/$1 log
  if [ -f "$folder/build.ninja" ]; then return 0; fi
  mkdir -p "$folder"
  log=$folder/configure.log
  say "configuring build/$1"
  (cd "$root" && cmake --preset "$1" -DCMAKE_CXX_COMPILER=clang++-19) >"$log" 2>&1 || {
    tail -n 30 "$log" >&2
    die "cmake could not configure build/$1 (whole log: $log)"
  }
}

# build PRESET TARGET...: with ninja's own progress line.
build() {
  local preset=$1
  shift
  configure "$preset"
  say "building $* in build/$preset"
  local status
  if [ -t 1 ]; then status='[%f/%t, %es] '; else status='[%f/%t] '; fi
  NINJA_STATUS=$status ninja -C "$root/build/$preset" "$@" || die "the build of $* in build/$preset failed (see above)"
}
