# SPDX-License-Identifier: Apache-2.0
# What every fault uses; an inject sources it. The lab is made of folders, one a fault:
#
#   fault.yaml   what is asked and what the answer must and must not say (CONTRIBUTING.md: add a fault)
#   inject       makes the fault; it is there when this script ends with 0
#   heal         puts everything back: a link to lab/heal, which removes what this file has written down
#
# Whatever an inject makes, it makes through a function of this file, which writes it down first. All names hold $mark, all files
# lie in $LAB_STATE, and every process has LAB_STATE in its environment, so that heal finds exactly what is ours.
#
# `waggle lab` sets LAB_STATE (a new folder), LAB_SEED, LAB_LIFE (no program of the fault lives longer, in seconds) and LAB_WATCHED
# (a file that appears once waggle watches). By hand:
#   lab/FAULT/inject; waggle why; lab/FAULT/heal
set -euo pipefail
# The system's own programs first: a python3 that is a script around another takes seconds to start on a busy machine.
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin:${PATH:-}:/usr/local/sbin
LAB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
fault_name=$(basename "$(cd "$(dirname "$0")" && pwd)")
if [[ -z ${LAB_STATE:-} ]]; then
    # Anew, so that this shell too has it in its environment.
    mkdir -p "/tmp/waggle-lab.$fault_name"
    exec env "LAB_STATE=/tmp/waggle-lab.$fault_name" "$0" "$@"
fi
export LAB_STATE LAB_SEED=${LAB_SEED:-$RANDOM} LAB_LIFE=${LAB_LIFE:-300}
mark=lab-${LAB_STATE##*.}
patience=1 # how many times slower than a real machine this one is
[[ -z ${WAGGLE_VM:-} ]] || patience=10

# --- what differs with the seed ------------------------------------------------------------------------------------

# draw KEY N: a number from 0 to N-1, always the same for this seed, fault and key.
draw() {
    local hash
    hash=$(printf '%s/%s/%s' "$LAB_SEED" "$fault_name" "$1" | sha256sum)
    echo $((16#${hash:0:8} % $2))
}
# value NAME TEXT: $NAME here and ${NAME} in fault.yaml are TEXT.
value() {
    declare -g "$1=$2"
    printf '%s=%s\n' "$1" "$2" >> "$LAB_STATE/values"
}
# own WORD: a finding that mentions it is about this fault.
own() { echo "$1" >> "$LAB_STATE/own"; }
# port NAME...: free numbers that no well-known service has; no two alike.
ports_drawn=" "
port() {
    local name number round
    for name in "$@"; do
        round=0
        while :; do
            number=$((10000 + $(draw "port $name $round" 20000)))
            [[ $ports_drawn == *" $number "* ]] || break
            round=$((round + 1))
        done
        ports_drawn+="$number "
        value "$name" "$number"
    done
}
# one_of NAME WORD...: one of the words.
one_of() {
    local name=$1
    shift
    local words=("$@")
    value "$name" "${words[$(draw "$name" $#)]}"
}
# program_name NAME...: names of made-up services; no two alike.
names_drawn=" "
program_name() {
    local name round word words=(shop ledger mailer broker indexer gateway planner courier catalog billing archive metrics
        depot roster quote parcel beacon harbor kiosk lantern meadow orbit pepper quarry)
    for name in "$@"; do
        round=0
        while :; do
            word=${words[$(draw "word $name $round" ${#words[@]})]}$(draw "number $name $round" 90)
            [[ $names_drawn == *" $word "* ]] || break
            round=$((round + 1))
        done
        names_drawn+="$word "
        value "$name" "$word"
    done
}
# network_name NAME: of a table, a chain, a set; short words as administrators choose them.
network_name() { one_of "$1" guard edge filter fw perimeter inbound screen shield wall; }

# --- what is made, written down before it is made ------------------------------------------------------------------

remember() { echo "$*" >> "$LAB_STATE/made"; }

# netns NAME: a network namespace. $NAME_netns is its inode in fault.yaml.
netns() {
    remember netns "$mark-$1"
    ip netns add "$mark-$1"
    ip -n "$mark-$1" link set lo up
    value "${1}_netns" "$(stat -Lc %i "/run/netns/$mark-$1")"
    own "$(stat -Lc %i "/run/netns/$mark-$1")"
}
in_netns() {
    local name=$1
    shift
    ip netns exec "$mark-$name" "$@"
}
# ip_in NETNS WORDS...: ip inside that namespace.
ip_in() {
    local name=$1
    shift
    ip -n "$mark-$name" "$@"
}
# wire NETNS DEVICE NETNS DEVICE: a pair of devices, up.
wire() {
    ip link add "$2" netns "$mark-$1" type veth peer name "$4" netns "$mark-$3"
    ip_in "$1" link set "$2" up
    ip_in "$3" link set "$4" up
}
# loop_device NAME SIZE [losetup's words]: a disk over a file of its own, in $image_in where that is set; $NAME is /dev/loopN,
# ${NAME_name} loopN.
loop_device() {
    local name=$1 size=$2 image=${image_in:-$LAB_STATE}/$1.image device
    shift 2
    truncate -s "$size" "$image"
    remember loop "$image"
    # A file system in memory has no direct I/O before 6.6.
    device=$(losetup -f --show "$@" "$image") || cannot "no loop device over $image with $*"
    value "$name" "$device"
    value "${name}_name" "${device#/dev/}"
    own "${device#/dev/}"
}
# mount_at NAME DEVICE: mounted at $NAME.
mount_at() {
    mkdir -p "$LAB_STATE/$1"
    remember mount "$LAB_STATE/$1"
    mount "$2" "$LAB_STATE/$1"
    value "$1" "$LAB_STATE/$1"
}
# memory_at NAME SIZE [full|noexec]: a file system in memory at $NAME; "full": with a file that fills it, and then read only;
# "noexec": from which nothing may be run.
memory_at() {
    mkdir -p "$LAB_STATE/$1"
    remember mount "$LAB_STATE/$1"
    mount -t tmpfs -o "size=$2" tmpfs "$LAB_STATE/$1"
    value "$1" "$LAB_STATE/$1"
    [[ ${3:-} != noexec ]] || mount -o remount,noexec "$LAB_STATE/$1"
    [[ ${3:-} == full ]] || return 0
    dd if=/dev/zero of="$LAB_STATE/$1/all" bs=64K status=none 2> /dev/null || true
    mount -o remount,ro "$LAB_STATE/$1"
}
# control_group NAME CONTROLLER: a group whose CONTROLLER can be set; $NAME is its folder, $NAME_version 1 or 2. Controller
# "none": any group of version 2.
control_group() {
    local root controllers
    for root in /sys/fs/cgroup /sys/fs/cgroup/unified; do
        [[ -e $root/cgroup.controllers ]] || continue
        controllers=" $(cat "$root/cgroup.subtree_control") "
        if [[ $2 == none || $controllers == *" $2 "* ]]; then
            make_control_group "$1" "$root" 2
            return
        fi
    done
    root=/sys/fs/cgroup/$([[ $2 == io ]] && echo blkio || echo "$2")
    [[ -e $root/cgroup.procs ]] || cannot "no control group with the controller $2"
    make_control_group "$1" "$root" 1
}
make_control_group() {
    remember cgroup "$2/$mark-$1"
    mkdir "$2/$mark-$1"
    value "$1" "$2/$mark-$1"
    value "${1}_name" "$mark-$1"
    value "${1}_version" "$3"
    own "$mark-$1"
}
# inner_group NAME OUTER CONTROLLER: a group in the one that control_group made as OUTER.
inner_group() {
    local version=${2}_version
    [[ ${!version} != 2 ]] || echo "+$3" > "${!2}/cgroup.subtree_control"
    make_control_group "$1" "${!2}" "${!version}"
}
# cpu_weight NAME PERCENT: the weight of that group, in percent of the usual one; ${NAME_weight} is the number in its file.
cpu_weight() {
    local version=${1}_version
    if [[ ${!version} == 2 ]]; then
        value "${1}_weight" "$2"
        echo "$2" > "${!1}/cpu.weight"
    else
        value "${1}_weight" "$(($2 * 1024 / 100))"
        echo "$(($2 * 1024 / 100))" > "${!1}/cpu.shares"
    fi
}
# setting NETNS NAME=VALUE...: sysctls of that namespace; they go with it. Settings of the whole machine are never changed.
setting() {
    local name=$1
    shift
    in_netns "$name" sysctl -qw "$@"
}

# start KEY COMMAND...: in the background, bounded in time; what it prints is in $LAB_STATE/KEY.log. $pid_KEY is the process that
# bounds it: the command is its child.
start() {
    local key=$1
    shift
    setsid timeout -s KILL "$LAB_LIFE" "$@" > "$LAB_STATE/$key.log" 2>&1 < /dev/null &
    value "pid_$key" "$!"
    disown
}
# start_tracing KEY COMMAND...: the same where the kernel's tracepoints are to be found; where no trace file system is mounted,
# one is for this process alone.
start_tracing() {
    local key=$1
    shift
    start "$key" unshare --mount bash -c \
        '[[ -e /sys/kernel/tracing/events ]] || mount -t tracefs trace /sys/kernel/tracing; exec "$@"' tracing "$@"
}
# later SECONDS COMMAND...: that much after waggle began to watch, in the background; by hand, where nothing shows when that is, a
# little more after now. COMMAND may be a function of inject.
later() {
    local seconds=$1
    shift
    (
        if [[ -n ${LAB_WATCHED:-} ]]; then
            wait_for 60 test -s "$LAB_WATCHED"
        else
            sleep "$((2 * patience))"
        fi
        sleep "$seconds"
        "$@"
    ) > "$LAB_STATE/later.log" 2>&1 < /dev/null &
    disown
}
# service KEY NETNS NAME WORDS...: a program called NAME; WORDS as lab/tools/service takes them. It is ready when this returns, and
# ${pid_KEY} is its process. through: words in front of the program, where it must be started through something.
through=()
service() {
    local key=$1 place=$2 name=$3 ready=$LAB_STATE/$1.pid
    shift 3
    ip netns exec "$mark-$place" setsid "${through[@]}" python3 "$LAB/tools/service" "$name" --life "$LAB_LIFE" \
        --ready "$ready" "$@" > "$LAB_STATE/$key.log" 2>&1 < /dev/null &
    disown
    wait_for 10 test -s "$ready" || fail "$name did not start: $(tail -n 1 "$LAB_STATE/$key.log")"
    value "pid_$key" "$(cat "$ready")"
}
# names KEY NETNS NAME WORDS...: a name server or a program that asks one, called NAME; WORDS as lab/tools/dns takes them. It is ready
# when this returns, and ${pid_KEY} is its process.
names() {
    local key=$1 place=$2 name=$3 ready=$LAB_STATE/$1.pid
    shift 3
    ip netns exec "$mark-$place" setsid python3 "$LAB/tools/dns" "$name" --life "$LAB_LIFE" --ready "$ready" "$@" \
        > "$LAB_STATE/$key.log" 2>&1 < /dev/null &
    disown
    wait_for 10 test -s "$ready" || fail "$name did not start: $(tail -n 1 "$LAB_STATE/$key.log")"
    value "pid_$key" "$(cat "$ready")"
}
# work KEY NAME WORDS...: a program called NAME that computes, in a session of its own; WORDS as lab/tools/work takes them. It computes
# when this returns, and ${pid_KEY} is its process.
work() {
    local key=$1 name=$2 ready=$LAB_STATE/$1.pid
    shift 2
    own "$name"
    setsid python3 "$LAB/tools/work" "$name" --life "$LAB_LIFE" --ready "$ready" "$@" > "$LAB_STATE/$key.log" 2>&1 < /dev/null &
    disown
    wait_for 20 test -s "$ready" || cannot "$name does not compute: $(tail -n 1 "$LAB_STATE/$key.log")"
    value "pid_$key" "$(cat "$ready")"
}
# tap KEY NETNS DEVICE NAME read|never: a tap device of a program called NAME, which reads what is sent by the device, or never does.
tap() {
    local key=$1 ready=$LAB_STATE/$1.pid
    ip netns exec "$mark-$2" setsid python3 "$LAB/tools/tap" "$4" "$LAB_LIFE" "$ready" "$3" "$5" > "$LAB_STATE/$key.log" 2>&1 < /dev/null &
    disown
    wait_for 10 test -s "$ready" || cannot "no tap device: $(tail -n 1 "$LAB_STATE/$key.log")"
    value "pid_$key" "$(cat "$ready")"
    ip_in "$2" link set "$3" up
}
# script KEY PATH: a program from standard input, written to PATH below $LAB_STATE; $KEY is its whole path.
script() {
    mkdir -p "$(dirname "$LAB_STATE/$2")"
    cat > "$LAB_STATE/$2"
    chmod 755 "$LAB_STATE/$2"
    value "$1" "$LAB_STATE/$2"
}
# copy_of KEY PROGRAM NAME: a program under another name, so that the kernel sees a program of the fault's own.
copy_of() {
    cp "$(readlink -f "$(command -v "$2")")" "$LAB_STATE/$3"
    value "$1" "$LAB_STATE/$3"
}

# wait_for SECONDS COMMAND...: until it succeeds; three times as long on a machine that is busy.
wait_for() {
    local end=$((SECONDS + 3 * $1 * patience))
    shift
    until "$@" 2> /dev/null; do
        ((SECONDS < end)) || return 1
        sleep 0.05
    done
}
fail() {
    echo "$*" >&2
    exit 1
}
# cannot WHY: this machine lacks what the fault needs; it is reported as not run.
cannot() {
    echo "$*" >&2
    exit 77
}

# --- networks ------------------------------------------------------------------------------------------------------

# networks NAME...: each a documentation network of its own (192.0.2, 198.51.100, 203.0.113); at most three.
networks() {
    local all=(192.0.2 198.51.100 203.0.113) first name i=0
    first=$(draw networks 3)
    for name in "$@"; do
        value "$name" "${all[$(((first + i) % 3))]}"
        i=$((i + 1))
    done
}
device_names() {
    local name i=0 first kinds=(eth enp1s ens uplink port wire)
    first=$(draw devices 6)
    for name in "$@"; do
        value "$name" "${kinds[$(((first + i) % 6))]}$(draw "device $name" 8)"
        i=$((i + 1))
    done
}
# two_machines: client and server, joined by a wire. Says client_address, server_address (IPv4), client_address6, server_address6,
# client_device, server_device and network (the first three numbers of both). Hosts 20 to 199 of the network are free.
two_machines() {
    networks network
    device_names client_device server_device
    value client_address "$network.$((1 + $(draw client 18)))"
    value server_address "$network.$((201 + $(draw server 50)))"
    local net6
    net6=2001:db8:$(printf '%x' $((1 + $(draw net6 4000))))
    value client_address6 "$net6::$(printf '%x' $((1 + $(draw client6 200))))"
    value server_address6 "$net6::$(printf '%x' $((1000 + $(draw server6 2000))))"
    netns client
    netns server
    wire client "$client_device" server "$server_device"
    ip_in client addr add "$client_address/24" dev "$client_device"
    ip_in server addr add "$server_address/24" dev "$server_device"
    ip_in client addr add "$client_address6/64" dev "$client_device" nodad
    ip_in server addr add "$server_address6/64" dev "$server_device" nodad
}
# far_machines SECONDS [EACH [BACK]]: client and server, joined by a wire on which a packet is that long under way, and which loses each EACHth
# segment that opens a TCP connection, and makes the timestamp of each BACKth that the client sends with data older; IPv4 alone. Says client_address, server_address, client_device, server_device and network.
far_machines() {
    local ready=$LAB_STATE/delay.pid
    networks network
    device_names client_device server_device
    value client_address "$network.$((1 + $(draw client 18)))"
    value server_address "$network.$((201 + $(draw server 50)))"
    netns client
    netns server
    setsid python3 "$LAB/tools/delay" "$LAB_LIFE" "$ready" "$1" "$mark-client" "$client_device" "$mark-server" "$server_device" "${2:-0}" "${3:-0}" \
        > "$LAB_STATE/delay.log" 2>&1 < /dev/null &
    disown
    wait_for 10 test -s "$ready" || cannot "no tap device: $(tail -n 1 "$LAB_STATE/delay.log")"
    ip_in client addr add "$client_address/24" dev "$client_device"
    ip_in server addr add "$server_address/24" dev "$server_device"
    ip_in client link set "$client_device" up
    ip_in server link set "$server_device" up
}
# machines_with_router: client -- router -- server, IPv4. Says client_address, server_address, client_network, server_network,
# router_client_address, router_server_address, and the devices client_device, server_device, inner_device (the router's, towards
# the client), outer_device (towards the server).
machines_with_router() {
    networks client_network server_network
    device_names client_device server_device inner_device outer_device
    value client_address "$client_network.$((1 + $(draw client 100)))"
    value server_address "$server_network.$((1 + $(draw server 100)))"
    value router_client_address "$client_network.$((200 + $(draw router 50)))"
    value router_server_address "$server_network.$((200 + $(draw router 50)))"
    netns client
    netns router
    netns server
    wire client "$client_device" router "$inner_device"
    wire server "$server_device" router "$outer_device"
    ip_in client addr add "$client_address/24" dev "$client_device"
    ip_in server addr add "$server_address/24" dev "$server_device"
    ip_in router addr add "$router_client_address/24" dev "$inner_device"
    ip_in router addr add "$router_server_address/24" dev "$outer_device"
    ip_in client route add default via "$router_client_address"
    ip_in server route add default via "$router_server_address"
    setting router net.ipv4.ip_forward=1
}
# router_speaks_ipv6: after machines_with_router, IPv6 beside IPv4. Says client_network6 and server_network6 (64 bits),
# client_address6 and server_address6.
router_speaks_ipv6() {
    value client_network6 "2001:db8:$(printf '%x' $((1 + $(draw inner6 2000))))"
    value server_network6 "2001:db8:$(printf '%x' $((2001 + $(draw outer6 2000))))"
    value client_address6 "$client_network6::$(printf '%x' $((2 + $(draw host6 200))))"
    value server_address6 "$server_network6::$(printf '%x' $((2 + $(draw far6 200))))"
    ip_in client -6 addr add "$client_address6/64" dev "$client_device" nodad
    ip_in router -6 addr add "$client_network6::1/64" dev "$inner_device" nodad
    ip_in router -6 addr add "$server_network6::1/64" dev "$outer_device" nodad
    ip_in server -6 addr add "$server_address6/64" dev "$server_device" nodad
    ip_in client -6 route add default via "$client_network6::1"
    ip_in server -6 route add default via "$server_network6::1"
    setting router net.ipv6.conf.all.forwarding=1
}
# received_by NETNS DEVICE CPU: that processor takes all packets of the device through the network stack (RPS).
received_by() {
    local mask
    mask=$(printf '%x' $((1 << $3)))
    # In that namespace's own view of /sys.
    in_netns "$1" bash -c "echo $mask > /sys/class/net/$2/queues/rx-0/rps_cpus"
}
# two_processors: $busy_cpu and $other_cpu, two numbers of processors; which is which differs with the seed.
two_processors() {
    local online
    mapfile -t online < <(awk '/^processor/ { print $3 }' /proc/cpuinfo)
    ((${#online[@]} > 1)) || cannot "one processor alone"
    local first
    first=$(draw processors 2)
    value busy_cpu "${online[first]}"
    value other_cpu "${online[1 - first]}"
}
# backlog_overflows: waits until a processor has dropped packets that found no room in its backlog.
backlog_drops() {
    local sum=0 processed lost rest
    while read -r processed lost rest; do sum=$((sum + 16#$lost)); done < /proc/net/softnet_stat
    echo "$sum"
}
backlog_overflows() {
    local before
    before=$(backlog_drops)
    drops() { (($(backlog_drops) > before + 1000)); }
    wait_for 20 drops || cannot "this machine is too busy for a backlog to overflow"
}
# rules_that_take_time NETNS N: N rules for what no packet has; each packet that is received is compared with all of them.
rules_that_take_time() {
    {
        echo "table ip long {"
        echo "chain c { type filter hook prerouting priority -300; policy accept;"
        seq "$2" | sed 's/.*/udp dport 9 udp sport &/'
        printf '}\n}\n'
    } | in_netns "$1" nft -f -
}
# known_neighbour NETNS DEVICE ADDRESS NETNS DEVICE: the first knows the hardware address of the second, so that no ARP is asked.
known_neighbour() {
    ip_in "$1" neigh replace "$3" lladdr "$(in_netns "$4" cat "/sys/class/net/$5/address")" dev "$2" nud permanent
}

# --- firewalls -----------------------------------------------------------------------------------------------------

# nft_rules NETNS < RULES: loads them. Before, objects are made and deleted in each table, so that handles differ with the seed.
nft_rules() {
    local rules table
    rules=$(cat)
    while read -r table; do
        [[ -n $table ]] || continue
        in_netns "$1" nft -f - <<< "add table $table
$(for i in $(seq "$((1 + $(draw "handles $table" 9)))"); do echo "add counter $table spare$i"; done)"
        in_netns "$1" nft -f - <<< "$(for i in $(seq "$((1 + $(draw "handles $table" 9)))"); do echo "delete counter $table spare$i"; done)"
    done <<< "$(sed -n 's/^ *table \([a-z0-9]* [A-Za-z0-9_]*\).*/\1/p' <<< "$rules")"
    in_netns "$1" nft -f - <<< "$rules"
}
# iptables_nft_rules NETNS < RULES: as iptables-restore takes them, through nftables; handles differ with the seed.
iptables_nft_rules() {
    local rules table i
    rules=$(cat)
    while read -r table; do
        for i in $(seq "$((1 + $(draw "handles $table" 9)))"); do
            in_netns "$1" iptables-nft -t "$table" -N "spare$i"
            in_netns "$1" iptables-nft -t "$table" -X "spare$i"
        done
    done <<< "$(sed -n 's/^\*//p' <<< "$rules")"
    in_netns "$1" iptables-nft-restore <<< "$rules"
}
# nft_handle NAME NETNS "FAMILY TABLE CHAIN" PATTERN: the handle of the one rule whose line matches.
nft_handle() {
    local found
    # shellcheck disable=SC2086 # three words
    found=$(in_netns "$2" nft -a list chain $3 2> /dev/null | grep -E -- "$4" | sed -n 's/.*# handle \([0-9]*\)$/\1/p')
    [[ $found =~ ^[0-9]+$ ]] || fail "not one rule of chain $3 matches $4: $found"
    value "$1" "$found"
}
# spare_rules NAME CHAIN: lines of iptables-restore that match nothing, as many as the seed says; $NAME is their number.
spare_rules() {
    local i
    value "$1" "$(draw "spare $1" 5)"
    spare_lines=
    for i in $(seq "${!1}"); do spare_lines+="-A $2 -p udp -m udp --dport $((31000 + i)) -j ACCEPT"$'\n'; done
}

# --- putting back --------------------------------------------------------------------------------------------------

# Our own processes but for this script, its children and what it was started by.
lab_processes() {
    local pid up=$$ group above=" $$ " name
    group=$(process_field $$ 2)
    while up=$(process_field "$up" 1) && [[ $up -gt 1 ]]; do above+="$up "; done
    {
        grep -lzxF -- "LAB_STATE=$LAB_STATE" /proc/[0-9]*/environ
        # A program that has lost its environment is known by what it runs or by where it lives.
        find /proc -maxdepth 2 -name exe -lname "$LAB_STATE/*"
        for name in $(made netns); do ip netns pids "$name"; done
        for name in $(made cgroup); do cat "$name/cgroup.procs"; done
    } 2> /dev/null | tr -dc '0-9\n' | sort -u | while read -r pid; do
        [[ $above == *" $pid "* || $(process_field "$pid" 2) =~ ^("$group"|)$ ]] || echo "$pid"
    done
}
# process_field PID N: the Nth field behind the state in /proc/PID/stat; 1 is the parent, 2 the process group.
process_field() { sed "s/.*) [A-Za-z]\( [0-9-]*\)\{$2\} .*/\1/; s/ //" "/proc/$1/stat" 2> /dev/null; }
made() { sed -n "s/^$1 //p" "$LAB_STATE/made" 2> /dev/null || true; }

heal() {
    set +e
    [[ -d $LAB_STATE ]] || return 0
    local round pid what name pids device left=
    for round in $(seq 100); do
        # A frozen file system goes on first: what waits for it cannot die.
        for name in $(made mount); do fsfreeze -u "$name" 2> /dev/null; done
        pids=$(lab_processes)
        [[ -n $pids ]] || break
        for pid in $pids; do kill -KILL "$pid" 2> /dev/null; done
        ((round < 10)) && sleep 0.05 || sleep 0.2
    done
    [[ -z $pids ]] || left+=" processes $pids"
    while read -r what name; do
        case $what in
            netns) [[ ! -e /run/netns/$name ]] || ip netns del "$name" || left+=" namespace $name" ;;
            mount)
                if mountpoint -q "$name"; then
                    umount "$name" 2> /dev/null || { sleep 1 && umount "$name" 2> /dev/null; } || umount -l "$name" || left+=" mount $name"
                fi
                ;;
            loop)
                for device in $(losetup -n -O NAME -j "$name"); do losetup -d "$device" || left+=" $device"; done
                ;;
            cgroup)
                for round in $(seq 25); do
                    [[ ! -d $name ]] || rmdir "$name" 2> /dev/null && break
                    sleep 0.2
                done
                [[ ! -d $name ]] || left+=" control group $name"
                ;;
            *) left+=" $what $name" ;;
        esac
    done < <(tac "$LAB_STATE/made" 2> /dev/null)
    rm -rf --one-file-system "$LAB_STATE" || left+=" $LAB_STATE"
    [[ -z $left ]] || fail "left behind:$left"
}
