# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What all scripts share: messages, the cache folder, locks, choice of the base
# kernel. Sourced, never run.

# shellcheck disable=SC2034  # used by those that source this
SCRIPTS=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
REPO=$(dirname -- "$SCRIPTS")
CACHE=${IOMMUFD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/iommufd}
JOBS=${JOBS:-$(nproc)}
PROGRAM=$(basename -- "$0")

# Base kernels that the overlay is written for, best first.
SUPPORTED_SERIES=(7.3 7.2)

# Folders of the repository that are laid over the base kernel.
OVERLAY_DIRS=(drivers include tools Documentation)

# For run-vm: two devices that the IOMMU cannot tell apart.
TWO_DEVICES_OF_A_GROUP=(
	--device 'pcie-root-port,id=rp1,chassis=2,slot=2'
	--device 'pcie-pci-bridge,id=bridge,bus=rp1'
	--device 'pci-testdev,bus=bridge,addr=1'
	--device 'pci-testdev,bus=bridge,addr=2'
)

# For run-vm: two disks that keep what is written to them as long as the VM runs, of
# which one has memory of its own; and a device with 16 GiB of it, of which the host gives
# what is touched.
DISKS_AND_LARGE_MEMORY=(
	--qemu=-drive '--qemu=if=none,id=disk0,driver=null-co,size=16M,read-zeroes=on,snapshot=on'
	--qemu=-drive '--qemu=if=none,id=disk1,driver=null-co,size=16M,read-zeroes=on,snapshot=on'
	--device 'nvme,serial=0,drive=disk0'
	--device 'nvme,serial=1,drive=disk1,cmb_size_mb=2'
	--qemu=-object '--qemu=memory-backend-ram,id=large,size=16G,reserve=off'
	--device 'ivshmem-plain,memdev=large'
)

# runs PROGRAM...: of our selftests; options for run-vm, a line each
runs() {
	local program
	for program; do
		echo "--run=$program=/tests/iommufd/$program"
	done
}

# For run-vm: no IOMMU is in front of devices, which may be used all the same.
WITHOUT_IOMMU=(--append "intel_iommu=off vfio.enable_unsafe_noiommu_mode=1")

export LC_ALL=C.UTF-8

say() { printf '%s\n' "$*" >&2; }
die() { say "$PROGRAM: error: $*"; exit 1; }

# No script ends badly without a word; our own scripts have said theirs.
set -o errtrace
trap '[[ $BASH_COMMAND == *"\$SCRIPTS/"* ]] ||
	say "$PROGRAM: error: \"$BASH_COMMAND\" failed (${BASH_SOURCE[0]##*/}:$LINENO)"' ERR

usage_error() { say "$PROGRAM: $*"; say "Try: $PROGRAM --help"; exit 2; }

# parse_options SHORT LONG "$@": normalises the command line into ARGV.
parse_options() {
	local short=$1 long=$2 parsed
	shift 2
	parsed=$(getopt -n "$PROGRAM" -o "h$short" -l "help,$long" -- "$@") ||
		usage_error "bad options"
	eval "ARGV=($parsed)"
}

have() { command -v "$1" >/dev/null 2>&1; }

make_cache() {
	mkdir -p "$CACHE" || die "cannot create the cache folder $CACHE (set IOMMUFD_CACHE to choose another)"
	[[ -w $CACHE ]] || die "the cache folder $CACHE is not writable"
	CACHE=$(cd "$CACHE" && pwd -P)
}

# need_space MIB WHAT: stop early instead of half-way through with a full disk.
need_space() {
	local free
	free=$(df -Pm "$CACHE" | awk 'NR == 2 { print $4 }')
	((free >= $1)) ||
		die "disk full: $2 needs $1 MiB in $CACHE, $free MiB are free"
}

# lock NAME: held until the script ends.
lock() {
	local fd
	mkdir -p "$CACHE/lock"
	exec {fd}>"$CACHE/lock/$1"
	flock -n "$fd" && return
	say "waiting for another run that works on $1 ..."
	flock "$fd"
}

# debian_sources SUITE...: for apt, the one place that packages come from
debian_sources() {
	local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	[[ -f $keyring ]] || die "$keyring is missing (package debian-archive-keyring)"
	cat <<-END
	Types: deb
	URIs: ${DEBIAN_MIRROR:-http://deb.debian.org/debian}
	Suites: $*
	Components: main
	Signed-By: $keyring
	END
}

# kernel_version DIR: "7.3.4" from the Makefile of a kernel tree.
kernel_version() {
	[[ -f $1/Makefile && -f $1/Kbuild && -d $1/drivers/iommu ]] || return 1
	awk -F' *= *' '
		$1 == "VERSION" { v = $2 }
		$1 == "PATCHLEVEL" { p = $2 }
		$1 == "SUBLEVEL" { print v "." p "." $2; exit }' "$1/Makefile"
}

series_of() { sed -E 's/^([0-9]+\.[0-9]+).*/\1/' <<<"$1"; }

is_supported() {
	local series
	for series in "${SUPPORTED_SERIES[@]}"; do
		[[ $series == "$1" ]] && return 0
	done
	return 1
}

# The overlay's files, one a line, relative to the repository.
overlay_files() {
	local dir dirs=()
	for dir in "${OVERLAY_DIRS[@]}"; do
		[[ -d $REPO/$dir ]] && dirs+=("$dir")
	done
	((${#dirs[@]})) || return 0
	(cd "$REPO" && find "${dirs[@]}" -type f \
		! -name '*.o' ! -name '*.d' ! -name '*.a' ! -name '*.ko' ! -name '*.cmd' \
		! -name '*.mod' ! -name '*.mod.c' ! -name '*.rej' ! -name '*.orig' \
		! -name '*~' ! -name '.*.sw?' ! -name '*.pyc' | sort)
}

# What make is asked for to compile whatever patches change and our files: targets.
patched_targets() {
	echo drivers/iommu/
	sed -nE 's,^\+\+\+ b/([^\t]+)\.c.*,\1.o,p' "$REPO"/patches/*.patch "$REPO"/patches/*/*.patch |
		{ grep -vE '^(drivers/iommu|arch|tools)/' || true; } | sort -u
}

# The folder of the tree, up to date. Scripts that this one calls need not look
# again what has changed in KDIR.
sync_tree() {
	local tree
	tree=$("$SCRIPTS/apply-overlay" --print-key)
	export IOMMUFD_SYNCED=${tree#tree-}
	TREE=$CACHE/$tree
	KEY=${tree#tree-}
}

# How long things take, and what has failed: begin_parts FILE, part NAME wherever
# something else begins, print_parts. A script that calls others with PARTS exported
# has theirs in its table, and what failed there in its list, PARTS.failed.
begin_parts() {
	[[ ! ${PARTS:-} ]] || return 0
	PARTS=$1 OWN_PARTS=1
	: >"$PARTS"
	: >"$PARTS.failed"
}

# part_failed TEXT: said once more at the end, where nobody overlooks it
part_failed() { printf '  %s\n' "$*" >>"$PARTS.failed"; }

part() {
	end_part
	PART=$1 PART_BEGAN=$EPOCHSECONDS PART_CPU=$(cpu_seconds)
}

end_part() {
	[[ ${PART:-} ]] || return 0
	printf '%d\t%d\t%s\n' $((EPOCHSECONDS - PART_BEGAN)) $(($(cpu_seconds) - PART_CPU)) "$PART" >>"$PARTS"
	PART=
}

# What those that this script has waited for have had of processors. In /proc it is
# in hundredths.
cpu_seconds() { awk '{ print int(($16 + $17) / 100) }' "/proc/$$/stat"; }

print_parts() {
	end_part
	[[ ${OWN_PARTS:-} ]] || return 0
	awk -F '\t' '
		function clock(s) { return sprintf("%d:%02d", s / 60, s % 60) }
		function row(a, b, c) { printf "  %-36s %9s %9s\n", a, b, c }
		NR == 1 { row("", "time", "processor") }
		{ row($3, clock($1), clock($2)); all += $1; cpu += $2 }
		END { if (NR) row("together", clock(all), clock(cpu)) }' "$PARTS"
	[[ ! -s $PARTS.failed ]] || { echo "failed:"; cat "$PARTS.failed"; }
}

# progress LABEL: swallows the output of make, shows how far it is.
# On a terminal one line that counts up, otherwise a line every 15 seconds.
progress() {
	local label=$1 line count=0 next=$((SECONDS + 15)) start=$SECONDS tty=
	[[ -t 2 ]] && tty=1
	while IFS= read -r line; do
		case $line in
		*error:* | *Error\ [0-9]* | *warning:* | *undefined*) say "$line"; continue ;;
		'  '[A-Z]*) count=$((count + 1)) ;;
		*) continue ;;
		esac
		if [[ $tty ]]; then
			((count % 10 == 0)) && printf '\r%s: %d steps, %d s ' "$label" "$count" $((SECONDS - start)) >&2
		elif ((SECONDS >= next)); then
			say "$label: $count steps, $((SECONDS - start)) s"
			next=$((SECONDS + 15))
		fi
	done
	[[ $tty ]] && printf '\r\033[K' >&2
	say "$label: done, $count steps in $((SECONDS - start)) s"
}

# run_make LABEL LOG MAKE-ARGUMENT...: make with progress, and the first errors
# when it fails.
run_make() {
	local label=$1 log=$2
	shift 2
	mkdir -p "$(dirname -- "$log")"
	if ! make -j"$JOBS" "$@" 2>&1 </dev/null | tee "$log" | progress "$label"; then
		grep -nE 'error:|Error [0-9]|undefined|No space left' "$log" | head -n 20 >&2 || tail -n 20 "$log" >&2
		die "$label failed, the whole output is in $log"
	fi
}
