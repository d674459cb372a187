#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Everything declarative, checked by the programs that will read it, on a staged copy: no root, no
# network, nothing outside a temporary directory. Prints TAP; what went wrong stands above its
# "not ok". A missing program is a failure and not a skip.
set -u
cd "$(dirname "$0")/../.." || exit 1

# systemd-analyze's exposure in tenths: 10 is "1.0".
MIND_EXPOSURE_MAX=10
HANDS_EXPOSURE_MAX=10
SETUP_EXPOSURE_MAX=25
CAN_HANDS_EXPOSURE_MAX=15 # they share the network of the computer, of which CAN is a part

stage=$(mktemp -d) || exit 1
trap 'rm -rf "$stage"' EXIT
count=0
failed=0

# report NAME COMMAND…: one test; its output is shown if it fails.
report() {
	local name=$1 output
	shift
	count=$((count + 1))
	if output=$("$@" 2>&1); then
		echo "ok $count - $name"
	else
		printf '%s\n' "$output" | sed '/^$/d; s/^/# /'
		echo "not ok $count - $name"
		failed=$((failed + 1))
	fi
}

# ---- programs ------------------------------------------------------------------------------------

have() {
	command -v "$1" >/dev/null || { echo "$1 is missing: apt install $2"; return 1; }
}

report "systemd-analyze is here" have systemd-analyze systemd
report "systemd-sysusers is here" have systemd-sysusers systemd
report "systemd-tmpfiles is here" have systemd-tmpfiles systemd
report "journalctl is here" have journalctl systemd
report "dbus-daemon is here" have dbus-daemon dbus

# ---- units ---------------------------------------------------------------------------------------

UNITS="plugflashd.service plugflash-worker.socket plugflash-worker@.service
	plugflash-worker-can.socket plugflash-worker-can@.service plugflash-can@.service"

# The units as installed, but with programs that exist on any machine.
stage_units() {
	local unit
	mkdir -p "$stage/units" "$stage/libexec"
	cp /bin/true "$stage/libexec/plugflashd" && cp /bin/true "$stage/libexec/plugflash-worker" &&
		cp /bin/true "$stage/libexec/plugflash-can" || return 1
	for unit in $UNITS; do
		sed "s,^\(ExecStart=\)/usr/libexec/plugflash/,\1$stage/libexec/," "units/$unit" \
			>"$stage/units/$unit" || return 1
	done
}

# Complaints alone do not make systemd-analyze fail; here they do.
verify_unit() {
	local complaints
	complaints=$(systemd-analyze verify --man=no --recursive-errors=no "$stage/units/$1" 2>&1) ||
		{ echo "$complaints"; return 1; }
	complaints=$(grep plugflash <<<"$complaints")
	[[ -z $complaints ]] || { echo "$complaints"; return 1; }
}

exposure_below() {
	systemd-analyze security --offline=true --no-pager --threshold="$2" "$stage/units/$1"
}

exposure() {
	systemd-analyze security --offline=true --no-pager "$stage/units/$1" 2>/dev/null |
		sed -n 's/.*Overall exposure level for [^:]*: \([0-9.]*\).*/\1/p'
}

report "units are staged" stage_units
for unit in $UNITS; do
	report "systemd-analyze verify $unit" verify_unit "$unit"
done
report "exposure of the mind: $(exposure plugflashd.service), at most $MIND_EXPOSURE_MAX tenths" \
	exposure_below plugflashd.service $MIND_EXPOSURE_MAX
report "exposure of the hands: $(exposure plugflash-worker@.service), at most $HANDS_EXPOSURE_MAX tenths" \
	exposure_below plugflash-worker@.service $HANDS_EXPOSURE_MAX
report "exposure of the hands on CAN: $(exposure plugflash-worker-can@.service), at most $CAN_HANDS_EXPOSURE_MAX tenths" \
	exposure_below plugflash-worker-can@.service $CAN_HANDS_EXPOSURE_MAX

report "exposure of plugflash-can: $(exposure plugflash-can@.service), at most $SETUP_EXPOSURE_MAX tenths" \
	exposure_below plugflash-can@.service $SETUP_EXPOSURE_MAX

# ---- drop-ins ------------------------------------------------------------------------------------

# The examples, as somebody would copy them; the real klipper.service is not ours.
stage_dropins() {
	cp -r units/dropins/* "$stage/units/" &&
		printf '[Service]\nExecStart=/bin/true\n' >"$stage/units/klipper.service"
}

# verify_dropin UNIT LINE: the unit is fine with its drop-in, and with nonsense in it, it is not.
verify_dropin() {
	local dropin
	dropin=$(echo "$stage/units/$1.d"/*.conf)
	grep -qF "$2" "$dropin" || { echo "no $2"; return 1; }
	if systemd-analyze verify --man=no --recursive-errors=no "$stage/units/$1" 2>&1 | grep -F "$dropin"; then
		return 1
	fi
	sed "s,^${2%%=*}=,Nonsense=," "$dropin" >"$dropin.good" && mv "$dropin.good" "$dropin" || return 1
	systemd-analyze verify --man=no --recursive-errors=no "$stage/units/$1" 2>&1 | grep -qF "$dropin" ||
		{ echo "$dropin is not read"; return 1; }
}

# They open a door to one directory, and take no wall down.
check_dropin_restraint() {
	! grep -h '^[A-Za-z]' units/dropins/*/*.conf | grep -vE '^(SupplementaryGroups|BindReadOnlyPaths|UMask|DeviceAllow)='
}

# What is bound is a directory, and lies where the manual and the policies look for it.
check_dropin_paths() {
	local bound
	bound=$(sed -n 's/^BindReadOnlyPaths=-.*:\(.*\)/\1/p' units/dropins/plugflashd.service.d/klippy.conf)
	[[ $bound == /run/klippy/* ]] && mentions units/man/plugflash-policy.5 "\"$bound/klippy.sock\"" &&
		mentions units/man/plugflashd.8 "$bound" &&
		mentions units/man/plugflashd.8 "$(name NAME_DROPINS_DIRECTORY)"
}

# What is installed there is taken away with the directory of policies.
check_dropin_install() {
	local plan
	plan=$(make -n -f Makefile install DESTDIR=/stage) || return 1
	grep -qF "/stage/usr/share/plugflash/dropins/" <<<"$plan"
}

report "drop-ins are staged" stage_dropins
report "exposure of the mind that sees Klipper: $(exposure plugflashd.service), at most $MIND_EXPOSURE_MAX tenths" \
	exposure_below plugflashd.service $MIND_EXPOSURE_MAX
report "the mind's drop-in is well-formed" verify_dropin plugflashd.service "BindReadOnlyPaths=-"
report "Klipper's drop-in is well-formed" verify_dropin klipper.service "UMask=0007"
report "drop-ins change nothing else" check_dropin_restraint
report "drop-ins are installed" check_dropin_install

# ---- users, paths, catalog, bus ------------------------------------------------------------------

check_sysusers() {
	systemd-sysusers --dry-run --root="$stage" "$PWD/units/plugflash.sysusers"
}

# Without root nothing can be given away: the directories are made as ours, the modes must be right.
check_tmpfiles() {
	local type path mode rest
	sed -E 's/^(d +[^ ]+ +[0-7]+ +)[^ ]+ +[^ ]+/\1- -/' units/plugflash.tmpfiles >"$stage/tmpfiles.conf"
	systemd-tmpfiles --root="$stage/root" --create "$stage/tmpfiles.conf" || return 1
	while read -r type path mode rest; do
		[[ $type == d ]] || continue
		[[ $(stat -c %04a "$stage/root$path") == "$mode" ]] || { echo "$path: not $mode"; return 1; }
	done <units/plugflash.tmpfiles
}

check_catalog() {
	local wanted got
	mkdir -p "$stage/root/usr/lib/systemd/catalog" "$stage/root/var/lib/systemd/catalog"
	cp units/plugflash.catalog "$stage/root/usr/lib/systemd/catalog/" || return 1
	journalctl --root="$stage/root" --update-catalog || return 1
	wanted=$(grep -c '^-- ' units/plugflash.catalog)
	got=$(journalctl --root="$stage/root" --list-catalog | grep -c 'plugflash:')
	[[ $wanted -gt 0 && $got == "$wanted" ]] || { echo "$got entries of $wanted"; return 1; }
}

# A bus started with our policy alone: in a real one, a file with a mistake is skipped with no more
# than a line in the journal.
check_bus_policy() {
	local pid
	cat >"$stage/bus.conf" <<-END
		<busconfig>
		  <listen>unix:dir=$stage</listen>
		  <include>$PWD/units/org.plugflash1.conf</include>
		</busconfig>
	END
	pid=$(dbus-daemon --config-file="$stage/bus.conf" --fork --print-pid=1) && kill "$pid"
}

mkdir -p "$stage/root/etc"
report "sysusers accepts its file" check_sysusers
report "tmpfiles makes its directories" check_tmpfiles
report "the catalog compiles" check_catalog
report "dbus-daemon accepts the policy" check_bus_policy

# ---- rules ---------------------------------------------------------------------------------------

RULES=rules/59-plugflash.rules

# systemd 252 has no `udevadm verify`; newer ones are asked. Line by line otherwise.
check_rules_syntax() {
	local pair='[A-Z]+(\{[^}]+\})?(==|!=|=|\+=|-=|:=)"[^"]*"' wrong
	wrong=$(sed -e ':join' -e '/\\$/{N; s/\\\n */ /; b join' -e '}' $RULES | grep -v -e '^#' -e '^$' |
		grep -vE "^$pair(, *$pair)*\$")
	[[ -z $wrong ]] || { echo "not rules: $wrong"; return 1; }
	if udevadm verify --help >/dev/null 2>&1; then udevadm verify "$PWD/$RULES"; fi
}

check_rules_labels() {
	local label
	for label in $(grep -o 'GOTO="[^"]*"' $RULES | cut -d'"' -f2 | sort -u); do
		[[ $(grep -c "^LABEL=\"$label\"" $RULES) == 1 ]] || { echo "no label $label"; return 1; }
	done
}

# Policy is the service's; a tag is what monitors of some test beds cannot see.
# But for one unit, which sets CAN interfaces up if a policy says so.
check_rules_restraint() {
	local wants='ACTION=="add", ATTR{type}=="280", ENV{SYSTEMD_WANTS}+="plugflash-can@$name.service"'
	grep -qxF "$wants" $RULES &&
		! grep -v '^#' $RULES | grep -vxF "$wants" | grep -E 'RUN|PROGRAM|TAG\+?="|SYSTEMD_WANTS'
}

check_rules_modes() {
	local mode
	for mode in $(sed -n 's/^[^#].*ENV{ID_PLUGFLASH}="\([^"]*\)".*/\1/p' $RULES); do
		grep -q "\"$mode\"" agent/model/board.c || { echo "agent/model knows no mode $mode"; return 1; }
	done
}

# Each USB id that the agent takes for a mode is marked with it, and the shared one with care.
check_rules_ids() {
	local rules vid pid mode
	rules=$(sed -e ':join' -e '/\\$/{N; s/\\\n */ /; b join' -e '}' $RULES | grep ID_PLUGFLASH)
	while read -r vid pid mode; do
		grep -q "idVendor}==\"$vid\", ATTR{idProduct}==\"$pid\".*ID_PLUGFLASH}=\"$mode\"" <<<"$rules" ||
			{ echo "no mark $mode for $vid:$pid"; return 1; }
	done < <(sed -n 's/.*{ 0x\([0-9a-f]*\), 0x\([0-9a-f]*\), \(MODE_[A-Z0-9_]*\) }.*/\1 \2 \3/p' \
		agent/model/board.c | sed 's/MODE_//' | tr A-Z_ a-z-)
	! grep '"0483"' <<<"$rules" | grep -v ':fe0102:'
}

report "udev rules are well-formed" check_rules_syntax
report "udev rules mark the ids that the agent knows" check_rules_ids
report "udev rules jump to labels that exist" check_rules_labels
report "udev rules run nothing and add no tag" check_rules_restraint
report "udev rules mark with modes that the agent knows" check_rules_modes

# ---- names ---------------------------------------------------------------------------------------

# name NAME_…: its value in names.h
name() {
	sed -n "s/^#define $1 *\"\([^\"]*\)\".*/\1/p" agent/base/names.h
}

# says FILE LINE: the file has exactly this line (blanks count as one).
says() {
	tr -s ' \t' ' ' <"$1" | grep -qxF -- "$2" || { echo "$1 does not say: $2"; return 1; }
}

# mentions FILE TEXT
mentions() {
	grep -qF -- "$2" "$1" || { echo "$1 does not mention: $2"; return 1; }
}

check_user_names() {
	local user group usb
	user=$(name NAME_USER) group=$(name NAME_GROUP) usb=$(name NAME_USB_GROUP)
	[[ $user && $group && $usb ]] || { echo "names.h has no names"; return 1; }
	mentions units/plugflash.sysusers "u $user " && says units/plugflash.sysusers "g $group - -" &&
		says units/plugflash.sysusers "g $usb - -" &&
		says units/plugflashd.service "User=$user" && says units/plugflashd.service "Group=$group" &&
		says units/plugflash-worker.socket "SocketUser=$user" &&
		says units/plugflash-worker@.service "SupplementaryGroups=$usb $(name NAME_SERIAL_GROUP)" &&
		mentions $RULES "GROUP:=\"$usb\"" &&
		mentions units/org.plugflash1.conf "<policy user=\"$user\">" &&
		mentions units/org.plugflash1.conf "<policy group=\"$group\">"
}

# The one program that may set interfaces may do nothing else with that.
check_setup_rights() {
	says units/plugflash-can@.service "CapabilityBoundingSet=CAP_NET_ADMIN" &&
		says units/plugflashd.service "CapabilityBoundingSet=" &&
		says units/plugflash-worker-can@.service "CapabilityBoundingSet="
}

check_path_names() {
	local state
	state=$(name NAME_STATE_DIRECTORY)
	says units/plugflash-worker.socket "ListenSequentialPacket=$(name NAME_WORKER_SOCKET)" &&
		says units/plugflash-worker-can.socket "ListenSequentialPacket=$(name NAME_WORKER_CAN_SOCKET)" &&
		says units/plugflashd.service "StateDirectory=${state#/var/lib/}" &&
		says units/plugflashd.service "ReadOnlyPaths=-$state/$(name NAME_FIRMWARE_SUBDIRECTORY)" &&
		mentions units/plugflash.tmpfiles "d $state " &&
		mentions units/plugflash.tmpfiles "d $state/$(name NAME_FIRMWARE_SUBDIRECTORY) " &&
		mentions units/plugflash.tmpfiles "d $(name NAME_POLICY_DIRECTORY_ADMIN) " &&
		mentions units/plugflash.catalog "$(name NAME_POLICY_DIRECTORY_ADMIN)" &&
		mentions units/plugflash.catalog "$(name NAME_POLICY_DIRECTORY_VENDOR)" &&
		mentions units/plugflash.catalog "$(name NAME_EXAMPLES_DIRECTORY)" &&
		mentions $RULES "ENV{$(name NAME_UDEV_PROPERTY)}=\""
}

check_bus_names() {
	local bus
	bus=$(name NAME_BUS)
	says units/plugflashd.service "BusName=$bus" &&
		says units/plugflashd.service "Alias=dbus-$bus.service" &&
		says "units/$bus.service" "Name=$bus" &&
		says "units/$bus.service" "SystemdService=dbus-$bus.service" &&
		mentions "units/$bus.conf" "<allow own=\"$bus\"/>" &&
		mentions "units/$bus.conf" "send_interface=\"$(name NAME_BUS_INTERFACE)\""
}

# A method that the policy does not name cannot be called by people of the group; one that is gone
# from the bus has no business in the policy. Reload is root's.
check_bus_methods() {
	local methods named
	methods=$(sed -n 's/.*SD_BUS_METHOD("\([A-Za-z]*\)".*/\1/p' agent/daemon/bus*.c | grep -vx Reload | sort)
	named=$(tr '\n' ' ' <units/org.plugflash1.conf |
		grep -oE 'send_interface="org.plugflash1.Manager" +send_member="[A-Za-z]+"' |
		cut -d'"' -f4 | sort)
	[[ $methods ]] && diff <(echo "$methods") <(echo "$named")
}

# Both ways: no message without an entry, no entry without a message.
check_message_names() {
	local ids entries
	ids=$(sed -n 's/^#define MESSAGE_[A-Z_0-9]* *"\([0-9a-f]\{32\}\)".*/\1/p' agent/base/names.h | sort)
	entries=$(sed -n 's/^-- \([0-9a-f]*\)$/\1/p' units/plugflash.catalog | sort)
	[[ $ids ]] && diff <(echo "$ids") <(echo "$entries") && [[ -z $(uniq -d <<<"$ids") ]]
}

check_catalog_fields() {
	local field
	for field in $(grep -o '@[A-Z_0-9]*@' units/plugflash.catalog | tr -d @ | grep -vx FIELD | sort -u); do
		mentions agent/base/names.h "\"$field\"" || return 1
	done
}

check_catalog_headers() {
	local header entries
	entries=$(grep -c '^-- ' units/plugflash.catalog)
	for header in Subject Defined-By Support Documentation; do
		[[ $(grep -c "^$header: ." units/plugflash.catalog) == "$entries" ]] ||
			{ echo "not every entry has $header"; return 1; }
	done
}

report "CAP_NET_ADMIN is plugflash-can's alone" check_setup_rights
report "names of users are those of names.h" check_user_names
report "names of paths are those of names.h" check_path_names
report "paths of drop-ins are those of the manual" check_dropin_paths
report "names on the bus are those of names.h" check_bus_names
report "the bus policy names the methods that people may call" check_bus_methods
report "each message id has its catalog entry" check_message_names
report "catalog entries use fields of names.h" check_catalog_fields
report "catalog entries are complete" check_catalog_headers

# ---- the rest ------------------------------------------------------------------------------------

report "the completion is bash" bash -n units/plugflash.bash-completion

check_man_pages() {
	local page complaints
	for page in units/man/*; do
		complaints=$(groff -mdoc -Tutf8 -ww "$page" 2>&1 >/dev/null)
		[[ -z $complaints ]] || { echo "$complaints"; return 1; }
	done
}

# Each verb and each long option that the face knows.
check_words_of_the_face() {
	local word
	for word in $(sed -n 's/.*{ \.name = "\([a-z]*\)".*/\1/p' agent/client/main.c); do
		mentions units/man/plugflash.1 "Cm $word" || return 1
		mentions units/plugflash.bash-completion "$word" || return 1
	done
	for word in $(sed -n 's/.*{ "\([a-z-]*\)", \(no\|required\)_argument.*/\1/p' agent/client/main.c); do
		mentions units/man/plugflash.1 "Fl -$word" || return 1
		mentions units/plugflash.bash-completion "--$word" || return 1
	done
}

# Each key that a policy may hold.
check_policy_keys() {
	local key
	for key in $(sed -n 's/^\t*{ "\([a-z_]*\)", [a-z_]* },$/\1/p' agent/daemon/rulebook_parse.c); do
		mentions units/man/plugflash-policy.5 "$key" || return 1
	done
}

report "the man pages are well-formed" check_man_pages
report "verbs and options are in the man page and the completion" check_words_of_the_face
report "policy keys are in their man page" check_policy_keys

echo "1..$count"
[[ $failed == 0 ]]
