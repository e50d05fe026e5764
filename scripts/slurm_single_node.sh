#!/usr/bin/env bash
# A real SLURM on this one machine, from Debian's packages, without systemd. To try sweeps on.
#
#   scripts/slurm_single_node.sh                    install, configure, start, wait until idle
#   scripts/slurm_single_node.sh COMMAND [WORD…]    the same, then run the command
#   scripts/slurm_single_node.sh --stop             cancel what is queued, stop the daemons
#
#   scripts/slurm_single_node.sh mlptrain study=optimizers hydra/launcher=submitit_slurm
#
# Run it as root. A second run keeps the daemons that are there. Tried on Debian 12 (SLURM 22.05).
# Processors are bound, memory is only counted: without control groups SLURM cannot enforce it.
set -euo pipefail

CONF=/etc/slurm/slurm.conf
RUN=/run/slurm
MARK="# Written by slurm_single_node.sh, anew at each start. Without this line it is left alone."

say() { echo "slurm_single_node: $*" >&2; }
fail() { say "$*"; exit 1; }

# up NAME: whether the daemon of that pid file is alive. The file may outlive its process, and a
# process that nobody waited for keeps its name, but not its program.
up() {
    local pid
    pid=$(cat "$(pid_file "$1")" 2>/dev/null) || return 1
    [[ $(cat "/proc/$pid/comm" 2>/dev/null) == "$1" ]] && readlink -q "/proc/$pid/exe" >/dev/null
}

pid_file() {
    case $1 in
        munged) echo /run/munge/munged.pid ;;
        *) echo "$RUN/$1.pid" ;;
    esac
}

# within SECONDS COMMAND…: try once a second until it succeeds.
within() {
    local left=$1
    shift
    until "$@"; do
        ((left-- > 0)) || return 1
        sleep 1
    done
}

down() { ! up "$1"; }
# Idle after a start; on a second run there may be jobs.
ready() { sinfo --noheader --format=%T 2>/dev/null | grep -qxE 'idle|mixed|allocated'; }
no_jobs() { [[ -z $(squeue --noheader 2>/dev/null) ]]; }

install_packages() {
    local missing=()
    for package in slurmctld slurmd munge slurm-client; do
        dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null |
            grep -q 'ok installed' || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    say "installing ${missing[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" \
        >/dev/null
}

write_config() {
    local host machine cpus memory
    host=$(hostname -s)
    machine=$(slurmd -C | head -n 1) # NodeName=… CPUs=… CoresPerSocket=… RealMemory=…
    cpus=$(sed -E 's/.* CPUs=([0-9]+).*/\1/' <<<"$machine")
    memory=$(sed -E 's/.* RealMemory=([0-9]+).*/\1/' <<<"$machine")
    cat >"$CONF" <<CONFIG
$MARK
ClusterName=single
SlurmctldHost=$host(127.0.0.1)
SlurmUser=slurm
AuthType=auth/munge
StateSaveLocation=/var/lib/slurm/slurmctld
SlurmdSpoolDir=/var/lib/slurm/slurmd
SlurmctldPidFile=$(pid_file slurmctld)
SlurmdPidFile=$(pid_file slurmd)
SlurmctldLogFile=/var/log/slurm/slurmctld.log
SlurmdLogFile=/var/log/slurm/slurmd.log
# No control groups: follow processes by parent, bind them to their cores with sched_setaffinity.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
# Cores and memory are shared out, so that jobs of one core run side by side. Without a default a
# job would get the whole node's memory, and the next one would wait.
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=$((memory / cpus))
# A node that was stopped is idle again as soon as its slurmd is back.
ReturnToService=2
NodeName=$host NodeAddr=127.0.0.1 ${machine#* } State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONFIG
}

start() {
    if [[ -e $CONF ]] && ! grep -qxF "$MARK" "$CONF"; then
        fail "$CONF is not from this script: move it away first"
    fi
    if up munged; then
        say "munged runs already"
    else
        install -d -o munge -g munge -m 755 /run/munge
        # Debian's package makes a key when it is installed.
        [[ -s /etc/munge/munge.key ]] || runuser -u munge -- mungekey --create
        runuser -u munge -- munged
        within 10 up munged || fail "munged did not start: see /var/log/munge/munged.log"
    fi
    if up slurmctld && up slurmd; then
        say "slurmctld and slurmd run already"
    else
        install -d -o slurm -g slurm -m 755 "$RUN"
        write_config
        up slurmctld || slurmctld
        up slurmd || slurmd
    fi
    within 60 ready ||
        fail "the node does not take jobs: $(sinfo 2>&1 | tail -n 1); see the logs in /var/log/slurm"
    sinfo --format='%P %D node %T, %c cores, %m MiB' --noheader >&2
}

stop() {
    if up slurmctld && up slurmd; then
        scancel --partition=main || true
        within 60 no_jobs || say "jobs are left: $(squeue --noheader | wc -l)"
    fi
    for name in slurmd slurmctld munged; do
        up "$name" || continue
        kill "$(cat "$(pid_file "$name")")"
        within 30 down "$name" || fail "$name does not stop"
        say "stopped $name"
    done
}

((EUID == 0)) || fail "run it as root: it installs packages and starts daemons"
case ${1-} in
    --stop) stop ;;
    -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" ;;
    -*) fail "no such option: $1 (there is --stop)" ;;
    *)
        install_packages
        start
        (($# == 0)) || exec "$@"
        ;;
esac
